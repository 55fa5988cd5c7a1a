"""A child of `fork`: what its parent's loops have is not its own, and it may have sockets of its own."""

from textwrap import dedent

import pytest
from programs import run_program, said

# What every program has: `fork_and(act)` forks, has the child act and leave as programs do, and gives its exit code.
PRELUDE = """
import asyncio, os, sys, threading, tightwire
url = sys.argv[1]

def fork_and(act):
    child = os.fork()
    if child == 0:
        act()
        # As at the end of a program, with everything that is registered for it.
        raise SystemExit(5)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def converse(loop=None):
    "A whole conversation of this process."
    ws, log = tightwire.WebSocket(url, loop=loop), []
    ws.onopen = lambda event: ws.send("child")
    ws.onmessage = lambda event: (log.append(event.data), ws.close(3000))
    (loop or ws).run()
    assert (log, ws.close_event.code) == (["child"], 3000), (log, ws)
"""

PROGRAMS = {
    # Under `run`, in a handler: the child's new socket needs a thread, since a handler cannot run a loop.
    "run-in-a-handler": """
        ws = tightwire.WebSocket(url)

        def act():
            assert ws.readyState == ws.CLOSED
            ws.send("nobody hears")
            ws.close()
            thread = threading.Thread(target=converse)
            thread.start()
            thread.join()
            os._exit(5)

        def opened(event):
            ws.send(str(fork_and(act)))

        ws.onopen = opened
        ws.onmessage = lambda event: (print(event.data), ws.close(4000))
        print(ws.run().code)
    """,
    "run-between-two-runs": """
        ws, other = tightwire.WebSocket(url), tightwire.WebSocket(url)
        ws.onopen = lambda event: other.close()
        other.run()
        while ws.readyState == ws.CONNECTING:
            another = tightwire.WebSocket(url)
            another.onopen = lambda event: event.target.close()
            another.run()
        print(fork_and(converse))
        ws.close(4000)
        print(ws.run().code)
    """,
    "start-thread": """
        loop, opened = tightwire.Loop(), threading.Event()
        loop.start_thread()

        def make():
            ws = tightwire.WebSocket(url)
            ws.onopen = lambda event: opened.set()
            ws.onclose = lambda event: (print(event.code), closed.set())
            return ws

        def act():
            # The thread is the parent's, and so are its sockets.
            assert not loop.running and ws.readyState == ws.CLOSED
            ws.send("nobody hears")
            ws.close()
            assert ws.bufferedAmount == 12
            try:
                tightwire.WebSocket(url, loop=loop)
            except RuntimeError:
                pass
            converse()
            with tightwire.Loop() as another:
                converse(another)
                another.start_thread()
                done = threading.Event()

                def again():
                    new = tightwire.WebSocket(url)
                    new.onopen = lambda event: new.close()
                    new.onclose = lambda event: done.set()

                another.call(again)
                done.wait()

        ws, closed = loop.call(make), threading.Event()
        opened.wait()
        print(fork_and(act))
        ws.close(4000)
        closed.wait()
    """,
    # asyncio knows that its running loop is the parent's; the child runs another one.
    "asyncio": """
        async def talk():
            ws = await tightwire.WebSocket(url)
            ws.close(3000)
            assert (await ws.closed()).code == 3000

        async def main():
            ws = await tightwire.WebSocket(url)

            def act():
                assert ws.readyState == ws.CLOSED
                converse()
                asyncio.run(talk())
                os._exit(5)

            print(fork_and(act))
            ws.close(4000)
            print((await ws.closed()).code)

        asyncio.run(main())
    """,
    # trio does not, so that the child goes on in another thread.
    "trio": """
        import trio

        async def talk():
            ws = await tightwire.WebSocket(url)
            ws.close(3000)
            assert (await ws.closed()).code == 3000

        async def main():
            ws = await tightwire.WebSocket(url)

            def act():
                assert ws.readyState == ws.CLOSED
                for work in (converse, lambda: trio.run(talk)):
                    thread = threading.Thread(target=work)
                    thread.start()
                    thread.join()
                os._exit(5)

            print(fork_and(act))
            ws.close(4000)
            print((await ws.closed()).code)

        trio.run(main)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_child_has_sockets_of_its_own_and_the_parent_keeps_its(url, name):
    done = run_program(PRELUDE + dedent(PROGRAMS[name]), url)
    assert said(done) == (0, "5\n4000\n", "")
