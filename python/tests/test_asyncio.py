"""What asyncio and uvloop have of their own. What they have in common with trio: `test_hosts`."""

import asyncio
import gc
import weakref

import pytest
import uvloop
from conftest import timers

import tightwire
from tightwire import WebSocket


RUNS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
LOOPS = pytest.mark.parametrize(
    "new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


@RUNS
def test_an_exception_in_a_handler_goes_to_asyncio(url, run):
    reported = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        closed = loop.create_future()
        ws = WebSocket(url)
        ws.onopen = lambda event: 1 / 0
        ws.addEventListener("open", lambda event: ws.close())
        ws.onclose = closed.set_result
        await closed
        return ws

    ws = run(main())
    (context,) = reported
    assert isinstance(context["exception"], ZeroDivisionError) and context["websocket"] is ws


def test_async_handlers_need_a_host(url, unraisable):
    ws = WebSocket(url)

    async def opened(event):
        raise AssertionError

    ws.onopen = opened
    ws.addEventListener("open", lambda event: ws.close())
    tightwire.run()
    assert len(unraisable) == 1 and "asyncio" in str(unraisable[0])


@LOOPS
def test_a_loop_that_is_closed_takes_its_sockets_along(url, new_event_loop):
    before = timers()
    loop = new_event_loop()

    async def main():
        return await WebSocket(url)

    ws = loop.run_until_complete(main())
    loop.close()
    loop = weakref.ref(loop)
    gc.collect()
    assert loop() is None
    assert ws.readyState == 3
    ws.send("nobody hears")
    ws.close()
    assert ws.bufferedAmount == len("nobody hears")
    assert timers() <= before


def test_a_loop_that_cannot_watch_descriptors_is_refused(url):
    class Blind(asyncio.SelectorEventLoop):
        def add_reader(self, fd, callback, *args):
            raise NotImplementedError

    async def main():
        with pytest.raises(RuntimeError, match="add_reader, and Blind has none"):
            WebSocket(url)

    before = timers()
    with asyncio.Runner(loop_factory=Blind) as runner:
        runner.run(main())
    assert timers() <= before
