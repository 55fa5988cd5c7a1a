"""On one thread a socket whose name nobody looks up, and one that talks meanwhile; the first is given up in the end.

    stalled.py LOOP URL

Prints what happens, in the way of talk.
"""

import asyncio
import json
import sys
import time

import trio
import uvloop

import tightwire


def show(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def begin(url):
    """Both sockets; the second one tells the first to give up as soon as the system was asked, which the test says."""
    server = tightwire.serve(lambda ws: setattr(ws, "onmessage", lambda event: ws.send(event.data)))
    before = time.thread_time()
    stalled = tightwire.WebSocket(url)
    show("made", state=stalled.readyState, used=time.thread_time() - before)
    stalled.onopen = stalled.onmessage = lambda event: show("wrong", type=event.type)
    stalled.onerror = lambda event: show("error", phase=event.error.phase, code=event.error.code, text=event.message)
    other = tightwire.WebSocket(f"ws://127.0.0.1:{server.port}/")

    def closed(event):
        show("close", code=event.code, clean=event.wasClean)
        server.close()

    def answered(event):
        show("text", data=event.data, state=stalled.readyState)
        sys.stdin.readline()
        stalled.close()
        show("closing", state=stalled.readyState)
        other.close()

    stalled.onclose = closed
    other.onopen, other.onmessage = lambda event: other.send("meanwhile"), answered
    return stalled


async def in_asyncio(url):
    await begin(url).closed()


def main(loop, url):
    if loop == "own":
        begin(url)
        tightwire.run()
    elif loop == "trio":
        trio.run(in_asyncio, url)
    else:
        {"asyncio": asyncio.run, "uvloop": uvloop.run}[loop](in_asyncio(url))


if __name__ == "__main__":
    main(*sys.argv[1:])
