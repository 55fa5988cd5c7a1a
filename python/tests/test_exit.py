"""The end of a program: whatever drives the sockets, the peers hear 1001, and nothing is complained of."""

from textwrap import dedent

import pytest
from conftest import running_server
from programs import run_program, said

# Each program opens a socket and ends while it is open. What they share:
OPEN = """
import asyncio, sys, threading, tightwire
url = sys.argv[1]
def program_is_over(event):
    raise SystemExit(7)
"""

# By how the program ends: its text, exit code and the whole of its output.
PROGRAMS = {
    "run": ("""
        ws = tightwire.WebSocket(url)
        ws.onmessage = program_is_over
        tightwire.run()
    """, 7),
    "run-with-a-loop": ("""
        loop = tightwire.Loop()
        ws = tightwire.WebSocket(url, loop=loop)
        ws.onmessage = program_is_over
        loop.run()
    """, 7),
    "a-socket-that-is-not-run-to-its-end": ("""
        ws, other = tightwire.WebSocket(url), tightwire.WebSocket(url)
        got = []
        def both(event):
            got.append(event)
            if len(got) == 2:
                other.close(4000)
        ws.onmessage = other.onmessage = both
        other.run()
    """, 0),
    "dispatch": ("""
        import select
        loop = tightwire.Loop()
        ws = tightwire.WebSocket(url, loop=loop)
        while ws.readyState == ws.CONNECTING:
            select.select([loop], [], [])
            loop.dispatch()
    """, 0),
    "start-thread": ("""
        loop, opened = tightwire.Loop(), threading.Event()
        loop.start_thread()
        def make():
            ws = tightwire.WebSocket(url)
            ws.onopen = lambda event: opened.set()
            ws.onmessage = lambda event: None
        loop.call(make)
        opened.wait()
    """, 0),
    "run-in-a-daemon-thread": ("""
        opened = threading.Event()
        def work():
            ws = tightwire.WebSocket(url)
            ws.onmessage = lambda event: opened.set()
            tightwire.run()
        threading.Thread(target=work, daemon=True).start()
        opened.wait()
    """, 0),
    "loop-run-in-a-daemon-thread": ("""
        opened = threading.Event()
        def work():
            loop = tightwire.Loop()
            ws = tightwire.WebSocket(url, loop=loop)
            ws.onmessage = lambda event: opened.set()
            loop.run()
        threading.Thread(target=work, daemon=True).start()
        opened.wait()
    """, 0),
    "asyncio": ("""
        async def main():
            global ws
            ws = await tightwire.WebSocket(url)
        asyncio.run(main())
    """, 0),
    "asyncio-exit-in-a-handler": ("""
        async def main():
            ws = tightwire.WebSocket(url)
            ws.onmessage = program_is_over
            await asyncio.Event().wait()
        asyncio.run(main())
    """, 7),
    "asyncio-in-a-daemon-thread": ("""
        opened = threading.Event()
        async def main():
            ws = await tightwire.WebSocket(url)
            opened.set()
            await ws.closed()
        threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
        opened.wait()
    """, 0),
    "uvloop": ("""
        import uvloop
        async def main():
            global ws
            ws = await tightwire.WebSocket(url)
        uvloop.run(main())
    """, 0),
    "uvloop-exit-in-a-handler": ("""
        import uvloop
        async def main():
            ws = tightwire.WebSocket(url)
            ws.onmessage = program_is_over
            await asyncio.Event().wait()
        uvloop.run(main())
    """, 7),
    "trio": ("""
        import trio
        async def main():
            global ws
            ws = await tightwire.WebSocket(url)
        trio.run(main)
    """, 0),
    "trio-in-a-daemon-thread": ("""
        import trio
        opened = threading.Event()
        async def main():
            ws = await tightwire.WebSocket(url)
            opened.set()
            await ws.closed()
        threading.Thread(target=trio.run, args=(main,), daemon=True).start()
        opened.wait()
    """, 0),
}  # fmt: skip


@pytest.fixture
def codes():
    """The close codes of the connections that were not closed by the program itself."""
    return []


@pytest.fixture
def greeter(codes):
    def greet(ws):
        ws.onclose = lambda event: event.code == 4000 or codes.append(event.code)
        ws.send("x")

    with running_server(greet) as server:
        yield f"ws://127.0.0.1:{server.port}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_peers_hear_1001(greeter, codes, name):
    program, status = PROGRAMS[name]
    assert said(run_program(OPEN + dedent(program), greeter)) == (status, "", "")
    assert codes == [1001]


# asyncio itself warns of a loop that is not closed.
STOPPED = {
    "asyncio": "loop = asyncio.new_event_loop()",
    "uvloop": "import uvloop; loop = uvloop.new_event_loop()",
}


@pytest.mark.parametrize("name", STOPPED)
def test_a_loop_of_asyncio_that_was_stopped_and_not_closed(greeter, codes, name):
    program = f"""
        {STOPPED[name]}
        async def main():
            global ws
            ws = await tightwire.WebSocket(url)
            ws.onclose = lambda event: print(event.code)
        loop.run_until_complete(main())
    """
    done = run_program(OPEN + dedent(program), greeter, strict=False)
    assert (done.returncode, done.stdout) == (0, "1001\n") and codes == [1001]


def test_an_exit_that_is_none_says_nothing(greeter, codes):
    """`os._exit` and signals leave no time for it: the peer sees the stream end."""
    program = """
        import os
        ws = tightwire.WebSocket(url)
        ws.onmessage = lambda event: os._exit(3)
        tightwire.run()
    """
    assert run_program(OPEN + dedent(program), greeter).returncode == 3
    assert codes == [1006]


# What ends the interpreter while sockets are open and threads are busy, for each driver.
BUSY = """
import asyncio, sys, threading, tightwire
url, busy = sys.argv[1], threading.Semaphore(0)

def make():
    ws = tightwire.WebSocket(url)
    def again(event):
        busy.release()
        ws.send(event.data)
    ws.onopen = lambda event: ws.send("x" * 1000)
    ws.onmessage = again
    # Cycles that only the end of the interpreter collects.
    ws.addEventListener("close", lambda event, ws=ws: None)
    return ws

async def forever():
    sockets = [make() for _ in range(5)]
    await sockets[0].closed()

def work():
    DRIVE

threading.Thread(target=work, daemon=True).start()
for _ in range(200):
    busy.acquire()
"""

DRIVES = {
    "run": "sockets = [make() for _ in range(5)]; tightwire.run()",
    "loop": "loop = tightwire.Loop(); loop.start_thread(); loop.call(lambda: [make() for _ in range(5)])\n"
    "    sys.kept = loop",
    "asyncio": "asyncio.run(forever())",
    "uvloop": "import uvloop; uvloop.run(forever())",
    "trio": "import trio; trio.run(forever)",
}


@pytest.mark.parametrize("drive", DRIVES)
def test_the_interpreter_ends_with_busy_threads(server, drive):
    program = BUSY.replace("DRIVE", DRIVES[drive])
    assert said(run_program(program, f"ws://127.0.0.1:{server.port}/")) == (0, "", "")


@pytest.mark.parametrize("drive", DRIVES)
def test_a_whole_life_is_clean_in_development_mode(server, drive):
    """Ten conversations, all objects collected, no warning."""
    program = """
        import asyncio, gc, sys, threading, tightwire
        url, closes = sys.argv[1], []
        def make():
            ws = tightwire.WebSocket(url)
            ws.onopen = lambda event: ws.send("x")
            ws.onmessage = lambda event: ws.close(1000)
            ws.onclose = lambda event: closes.append(event.code)
            return ws
        async def forever():
            for _ in range(5):
                for ws in [make(), make()]:
                    await ws.closed()
        DRIVE
        gc.collect()
        left = [thing for thing in gc.get_objects() if isinstance(thing, tightwire.WebSocket)]
        print(closes, left)
    """
    drives = {
        "run": "sockets = [make() for _ in range(10)]; tightwire.run(); del sockets",
        "loop": """
        with tightwire.Loop() as loop:
            loop.start_thread()
            loop.call(lambda: [make() for _ in range(10)] and None)
            while len(closes) < 10:
                loop.call(gc.collect)
        """,
    }
    drive = drives.get(drive, DRIVES[drive])
    done = run_program(dedent(program).replace("DRIVE", dedent(drive)), f"ws://127.0.0.1:{server.port}/")
    assert said(done) == (0, f"{[1000] * 10} []\n", "")
