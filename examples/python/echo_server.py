"""An echo server: echo_server.py [PORT]"""

import sys

import tightwire


def handle(ws):
    ws.onmessage = lambda event: ws.send(event.data)
    ws.onclose = lambda event: print(f"closed with {event.code}")


server = tightwire.serve(handle, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9001)
print(f"listening on ws://{server.host}:{server.port}/")
try:
    tightwire.run()
except KeyboardInterrupt:
    server.close()
    tightwire.run()
