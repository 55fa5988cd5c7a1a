"""Awaiting a socket that another thread drives, and driving a single one."""

import asyncio

import pytest
import trio
from conftest import raw_server, wait_for_end

import tightwire.sync
from tightwire import ConnectError, Loop, WebSocket

RUNS = {"asyncio": lambda function, *args: asyncio.run(function(*args)), "trio": trio.run}


@pytest.fixture(params=RUNS.values(), ids=RUNS)
def run(request):
    return request.param


@pytest.fixture
def threaded():
    with Loop() as loop:
        loop.start_thread()
        yield loop


def test_who_awaits_a_socket_of_another_thread_is_woken(run, threaded, url):
    async def main():
        ws = threaded.call(WebSocket, url)
        assert await ws is ws
        # Nothing else happens in this run meanwhile.
        threaded.call_soon_threadsafe(ws.close)
        return await ws.closed()

    assert run(main).wasClean


def test_who_awaits_is_told_of_the_failure_on_another_thread(run, threaded):
    async def main():
        ws = threaded.call(WebSocket, url)
        with pytest.raises(ConnectError):
            await ws

    with raw_server(lambda connection: None) as url:
        run(main)


class Hasty(WebSocket):
    """A socket that another thread closes just before a listener is registered."""

    def addEventListener(self, *args, **options):
        if not self.close_event:
            self.hurry()
        super().addEventListener(*args, **options)


def test_an_event_just_before_the_listener_counts(run, url):
    """As another thread may have it at any time; here in the same one, so that it is sure."""

    async def main():
        loop = Loop()
        ws = Hasty(url, loop=loop)

        def hurry():
            ws.hurry = lambda: None
            while ws.readyState == ws.CONNECTING:
                loop.dispatch()

        ws.hurry = hurry
        assert await ws is ws

        def finish():
            ws.close()
            while ws.readyState != ws.CLOSED:
                loop.dispatch()

        ws.hurry = finish
        assert (await ws.closed()).wasClean
        loop.close()

    run(main)


def test_a_cancelled_wait_leaves_no_listener(threaded):
    async def main():
        ws = threaded.call(WebSocket, url)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ws.closed(), 0.01)
        threaded.call_soon_threadsafe(ws.abort)
        return await ws.closed()

    with raw_server(wait_for_end) as url:
        assert asyncio.run(main()).code == 1006


def test_ws_run_drives_the_loop_of_the_socket(url):
    with Loop() as loop:
        ws = WebSocket(url, loop=loop)
        other = WebSocket(url)
        ws.onopen = lambda event: ws.close(4002)
        event = ws.run()
        assert event is not None and event.code == 4002
        assert other.readyState == other.CONNECTING, "nobody drives that one"
        other.close()
        other.run()


def test_ws_run_is_refused_where_another_thread_drives(threaded, url):
    ws = threaded.call(WebSocket, url)
    with pytest.raises(RuntimeError, match="another thread"):
        ws.run()
    threaded.call(ws.abort)


def test_reconnect_drives_the_loop_it_is_given(url):
    seen = []
    with Loop() as loop:
        for ws in tightwire.sync.reconnect(url, loop=loop):
            assert ws.readyState == ws.OPEN
            ws.onmessage = lambda event: (seen.append(event.data), event.target.close(1000))
            ws.send("hello")
            ws.run()
    assert seen == ["hello"]
