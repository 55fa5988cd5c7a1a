"""A client whose handler takes its time: says how it went on afterwards."""

import sys
import time

import tightwire

url, seconds = sys.argv[1], float(sys.argv[2])
ws = tightwire.WebSocket(url)
said = []


@ws.on("open")
def opened(event):
    ws.send("first")


@ws.on("message")
def came(event):
    said.append(event.data)
    if len(said) == 1:
        time.sleep(seconds)
        ws.ping("still there?")
        ws.send("second")
    else:
        ws.close(1000)


closed = ws.run()
print(*said, closed.code, closed.error)
