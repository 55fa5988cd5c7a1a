"""An echo server in both families: prints its port, and how each connection ended, as JSON."""

import json
import sys

import tightwire


def show(**fields):
    print(json.dumps(fields), flush=True)


def handler(ws):
    ws.onmessage = lambda event: ws.send(event.data)
    ws.onclose = lambda event: show(code=event.code, kind=event.error.kind if event.error else None)


heartbeat = None if "--patient" in sys.argv else (20, 20)
server = tightwire.serve(handler, "::", heartbeat=heartbeat)
show(port=server.port)
tightwire.run()
