"""An echo server on any address that prints its port and how its connections end, in the way of talk."""

import json
import sys
import threading

import tightwire


def show(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def echo(ws):
    ws.onmessage = lambda event: ws.send(event.data)
    ws.onerror = lambda event: show("error", phase=event.error.phase, code=event.error.code, text=event.message)
    ws.onclose = lambda event: show("close", code=event.code, reason=event.reason, clean=event.wasClean)


def main(host, *flags):
    # Who has a client that is blocked for a minute must not ping it.
    more = {"heartbeat": None} if "--no-heartbeat" in flags else {}
    server = tightwire.serve(echo, host, **more)
    show("listening", port=server.port)
    threading.Thread(target=lambda: (sys.stdin.read(), server.close()), daemon=True).start()
    tightwire.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
