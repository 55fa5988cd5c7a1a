#!/usr/bin/env python3
"""Memory of Python's WebSocket: of 10,000 that are open, and what 100,000 that came and went leave behind.

    python_memory.py [OPEN [CYCLES]]

Bytes are those that the process has for itself. The server is a process of its own.
"""

import gc
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import tightwire  # noqa: E402

# Goals, in bytes.
EACH = 2048
LEFT = 1 << 20
# Connections at a time while they come and go.
AT_A_TIME = 50


def own_bytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the system tells nothing of its memory")


def serve():
    print(tightwire.serve(lambda ws: None).port, flush=True)
    tightwire.run()


def open_at_once(url, count):
    """Opens sockets with two handlers; bytes for each."""
    sockets, opened = [], 0

    def on_open(event):
        nonlocal opened
        opened += 1
        if len(sockets) < count:
            make()
        if opened == count:
            loop.stop()

    def make():
        ws = tightwire.WebSocket(url, loop=loop)
        ws.onopen, ws.onmessage = on_open, print
        sockets.append(ws)

    with tightwire.Loop() as loop:
        before = own_bytes()
        for _ in range(min(count, AT_A_TIME)):
            make()
        loop.run()
        gc.collect()
        each = (own_bytes() - before) / count
        for ws in sockets:
            ws.abort()
        loop.run()
    return each


def come_and_go(url, count):
    """Opens and closes sockets, one after the other."""
    made = 0

    def make():
        nonlocal made
        made += 1
        ws = tightwire.WebSocket(url)
        ws.onopen = lambda event: ws.close(1000)
        ws.onclose = lambda event: made < count and make()

    for _ in range(AT_A_TIME):
        make()
    tightwire.run()
    gc.collect()


def main():
    count, cycles = (int(given) for given in (*sys.argv[1:], "10000", "100000")[:2])
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        url = f"ws://127.0.0.1:{int(server.stdout.readline())}/"
        come_and_go(url, 1000)
        each = open_at_once(url, count)
        print(f"{count} open sockets of Python: {each:.0f} bytes each (goal: less than {EACH})")
        come_and_go(url, max(cycles // 10, 1000))
        objects, before = len(gc.get_objects()), own_bytes()
        come_and_go(url, cycles)
        left, objects = own_bytes() - before, len(gc.get_objects()) - objects
        print(f"{cycles} that came and went: {left / 1024:.0f} KiB and {objects} objects left (goal: less than 1024 KiB, none)")
    finally:
        server.kill()
        server.wait()
    return each >= EACH or left >= LEFT or objects > 0


if sys.argv[1:] == ["serve"]:
    serve()
else:
    sys.exit(main())
