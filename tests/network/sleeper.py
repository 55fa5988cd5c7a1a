"""A client whose first onmessage takes as many seconds as it is told; prints its events in the way of talk.

The message that comes afterwards has the seconds that it `slept`, by its own clock.
"""

import sys
import time

import tightwire
from serve import show


def main(url, seconds):
    ws = tightwire.WebSocket(url, proxy=False)

    def on_open(event):
        show("open", protocol=ws.protocol, extensions=ws.extensions)
        ws.send("sleep")

    slept = 0.0

    def on_message(event):
        nonlocal slept
        show("text", data=event.data, slept=slept)
        if event.data == "sleep":
            began = time.monotonic()
            time.sleep(float(seconds))
            slept = time.monotonic() - began
            ws.send("awake")
        else:
            ws.close(1000)

    ws.onopen, ws.onmessage = on_open, on_message
    ws.onerror = lambda event: show("error", phase=event.error.phase, code=event.error.code, text=event.message)
    ws.onclose = lambda event: show("close", code=event.code, reason=event.reason, clean=event.wasClean)
    tightwire.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
