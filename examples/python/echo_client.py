"""Says hello to an echo server: echo_client.py [URL]"""

import sys

import tightwire

ws = tightwire.WebSocket(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:9001/")
ws.onopen = lambda event: ws.send("hello")
ws.onerror = lambda event: print(f"failed: {event.message}")


@ws.on("message")
def reply(event):
    print(event.data)
    ws.close(1000, "bye")


tightwire.run()
