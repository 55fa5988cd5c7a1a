"""The asynchronous surface on asyncio, asyncio in debug mode, uvloop and trio."""

import asyncio
import gc
import inspect
import os
import signal
import sys
import threading
import weakref

import pytest
import trio
import uvloop
from conftest import SECONDS, accept_upgrade, echo, raw_server, running_server, timers, wait_for_end

import tightwire
from tightwire import WebSocket, _loops

REFUSING = "ws://127.0.0.1:1/"


def test_await_gives_the_open_socket(host, url):
    async def main():
        ws = await WebSocket(url)
        assert ws.readyState == ws.OPEN and await ws is ws
        ws.close(3000, "bye")
        event = await ws.closed()
        assert event is await ws.closed() is ws.close_event
        return event

    event = host.run(main)
    assert (event.code, event.reason, event.wasClean) == (3000, "bye", True)


def test_await_raises_why_there_is_none(host):
    async def main():
        with pytest.raises(tightwire.ConnectError):
            await WebSocket(REFUSING)
        failed = WebSocket(REFUSING)
        with pytest.raises(ConnectionError):
            await host.at_most(SECONDS, failed)
        assert (await failed.closed()).error is failed.error
        with pytest.raises(tightwire.ConnectError):
            await failed

    host.run(main)


def test_many_may_wait_for_one_socket(host, url):
    seen = []

    async def main():
        ws = WebSocket(url)

        async def use():
            assert await ws is ws
            ws.close(1000)
            seen.append(await ws.closed())

        await host.together(use, use, use)
        assert seen == [ws.close_event] * 3

    host.run(main)


@pytest.fixture
def slow():
    """A server that answers a handshake when it is let; its URL and the event that lets it."""
    go = threading.Event()

    def script(connection):
        if go.wait(SECONDS):
            accept_upgrade(connection, b"\x81\x01x")
            wait_for_end(connection)

    with raw_server(script) as url:
        yield url, go
        go.set()


def test_a_wait_that_is_cancelled_changes_nothing(host, slow):
    url, go = slow
    got = []

    async def main():
        ws = WebSocket(url, close_timeout=0.01, linger=0.01)
        ws.onmessage = lambda event: got.append(event.data)

        async def wait():
            await ws

        await host.cancelled(wait)
        await host.cancelled(ws.closed)
        assert ws.readyState == ws.CONNECTING
        go.set()
        await ws
        while not got:
            await host.sleep(0)
        await host.cancelled(ws.closed)
        assert ws.readyState == ws.OPEN
        # Nothing that waited is left behind: without its listener nothing keeps the object.
        ws.onmessage = None
        return weakref.ref(ws)

    ref = host.run(main)
    gc.collect()
    assert got == ["x"] and ref() is None


def test_a_wait_may_have_a_deadline(host, slow):
    url, _ = slow

    async def main():
        ws = WebSocket(url)
        with pytest.raises(host.too_slow):
            await host.at_most(0.01, ws)
        ws.close()
        with pytest.raises(tightwire.ConnectError):
            await ws

    host.run(main)


def test_run_is_refused_beside_a_host(host, url):
    async def main():
        with pytest.raises(RuntimeError, match="await"):
            tightwire.run()
        ws = WebSocket(url)
        with pytest.raises(RuntimeError, match="await"):
            ws.run()
        ws.close()

    host.run(main)


def test_async_handlers_run_one_after_the_other(host, url):
    order = []

    async def main():
        ws = WebSocket(url)

        @ws.on("open")
        async def opened(event):
            await host.sleep(0)
            order.append("open")
            for number in range(5):
                ws.send(str(number))

        @ws.on("message")
        async def message(event):
            for _ in range(5 - int(event.data)):
                await host.sleep(0)
            order.append(event.data)
            if event.data == "3":
                raise ValueError("three")
            if event.data == "4":
                ws.abort()

        @ws.on("error")
        async def failed(event):
            await host.sleep(0)
            order.append("error")

        over = host.event()

        @ws.on("close")
        async def closed(event):
            order.append("close")
            over.set()

        await over.wait()

    host.run(main)
    assert order == ["open", "0", "1", "2", "3", "4", "error", "close"]
    assert [str(error) for error in host.reported] == ["three"]


def test_what_sync_handlers_raise_is_told(host, url):
    async def main():
        ws = WebSocket(url)
        for kind in ("open", "message", "close"):
            ws.addEventListener(kind, lambda event: {}[event.type])
        ws.addEventListener("open", lambda event: ws.send("x"))
        ws.addEventListener("message", lambda event: ws.close())
        return await ws.closed()

    assert host.run(main).wasClean
    assert [error.args for error in host.reported] == [("open",), ("message",), ("close",)]


def test_what_a_timer_raises_does_not_end_the_run(host):
    async def main():
        after = host.event()
        _loops.call_later(0, lambda: 1 // 0)
        _loops.call_later(0.001, after.set)
        await after.wait()

    host.run(main)
    assert [type(error) for error in host.reported] == [ZeroDivisionError]


def test_a_server_with_async_handlers(host):
    async def greet(ws):
        await host.sleep(0.001)
        ws.send("welcome")

    def handle(ws):
        @ws.on("message")
        async def answer(event):
            ws.send(event.data.upper())
            await host.sleep(0)
            ws.close(4002)

        return greet(ws)

    async def main():
        server = tightwire.serve(handle)
        ws, got = WebSocket(f"ws://127.0.0.1:{server.port}"), []
        ws.onopen = lambda event: ws.send("hello")
        ws.onmessage = lambda event: got.append(event.data)
        event = await ws.closed()
        server.close()
        return got, event.code

    # The message came before, and its handler waited.
    assert host.run(main) == (["welcome", "HELLO"], 4002)


def test_the_end_of_the_run_says_goodbye(host):
    codes, kept = [], []

    def greet(ws):
        ws.onclose = lambda event: codes.append((event.code, event.wasClean))

    async def main(url):
        for _ in range(3):
            kept.append(await WebSocket(url))

    before = timers()
    with running_server(greet) as server:
        host.run(main, f"ws://127.0.0.1:{server.port}")
        assert not _loops._hosts
        assert [ws.readyState for ws in kept] == [3, 3, 3]
    assert codes == [(1001, True)] * 3 and timers() <= before


def test_a_peer_that_does_not_answer_the_goodbye_is_left(host, monkeypatch):
    monkeypatch.setattr(_loops, "FAREWELL", 0.05)
    heard, kept = [], []

    def script(connection):
        accept_upgrade(connection)
        heard.append(connection.recv(100)[:2])
        wait_for_end(connection)

    async def main(url):
        kept.append(await WebSocket(url, close_timeout=None))

    with raw_server(script) as url:
        host.run(main, url)
        gc.collect()
        assert kept[0].readyState == 3 and not _loops._hosts
    assert heard == [b"\x88\x82"]


@pytest.mark.parametrize("turns", [0, 5], ids=["before-they-begin", "while-they-wait"])
def test_handlers_that_wait_at_the_end_of_the_run_are_closed(host, turns, recwarn):
    def greet(ws):
        for number in range(5):
            ws.send(str(number))

    coroutines, begun = [], []

    async def work(event):
        begun.append(event.data)
        await host.event().wait()

    def handler(event):
        coroutines.append(work(event))
        return coroutines[-1]

    async def main(url):
        ws = WebSocket(url)
        ws.onmessage = handler
        # As far as the turn in which the last of them came: its task did not begin.
        while len(coroutines) < 5:
            await host.sleep(0)
        for _ in range(turns):
            await host.sleep(0)

    with running_server(greet) as server:
        host.run(main, f"ws://127.0.0.1:{server.port}")
    assert {inspect.getcoroutinestate(coroutine) for coroutine in coroutines} == {inspect.CORO_CLOSED}
    assert begun == ["0"] or (begun == [] and turns == 0)
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit(3)], ids=["ctrl-c", "exit"])
@pytest.mark.parametrize("kind", ["sync", "async", "timer"])
def test_what_ends_the_program_ends_the_run(host, kind, error, caplog):
    codes, after = [], []

    def greet(ws):
        ws.onclose = lambda event: codes.append(event.code)
        ws.send("x")

    def end(event=None):
        raise error

    async def end_later(event):
        await host.sleep(0)
        raise error

    async def main(url):
        ws = WebSocket(url)
        if kind == "timer":
            ws.onmessage = lambda event: _loops.call_later(0.001, end)
        else:
            ws.onmessage = {"sync": end, "async": end_later}[kind]
        await host.event().wait()
        after.append(ws)

    with running_server(greet) as server:
        with pytest.raises((KeyboardInterrupt, SystemExit)) as raised:
            host.run(main, f"ws://127.0.0.1:{server.port}")
    assert codes == [1001] and not after and not _loops._hosts
    assert raised.value is error or raised.type is error
    assert host.reported == []


def test_ctrl_c_ends_the_run(host):
    codes = []

    def greet(ws):
        ws.onclose = lambda event: codes.append(event.code)
        ws.send("x")

    async def main(url):
        ws = WebSocket(url)
        ws.onmessage = lambda event: threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
        await ws.closed()

    with running_server(greet) as server:
        with pytest.raises(KeyboardInterrupt):
            host.run(main, f"ws://127.0.0.1:{server.port}")
    assert codes == [1001] and host.reported == [] and not _loops._hosts


def test_a_trio_run_of_another_thread_ends_by_what_a_handler_raised(url):
    ended = []

    async def main():
        ws = WebSocket(url)
        ws.onopen = lambda event: sys.exit(3)
        await trio.sleep_forever()

    def work():
        try:
            trio.run(main)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(SECONDS)
    (error,) = ended
    assert isinstance(error, SystemExit) and error.code == 3


def test_a_socket_of_a_thread_may_be_awaited(host, server):
    url = f"ws://127.0.0.1:{server.port}/"

    async def main(loop):
        for _ in range(20):
            ws = loop.call(WebSocket, url)
            await ws
            ws.close(3000)
            assert (await ws.closed()).code == 3000
        with pytest.raises(tightwire.ConnectError):
            await loop.call(WebSocket, REFUSING)

    with tightwire.Loop() as loop:
        loop.start_thread()
        host.run(main, loop)


@pytest.mark.parametrize("new_event_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_loop_argument(url, new_event_loop):
    loop, other = new_event_loop(), new_event_loop()
    ws = WebSocket(url, loop=loop)

    async def main():
        await ws
        ws.close()
        with pytest.raises(RuntimeError, match="loop"):
            WebSocket(url, loop=other)
        return await ws.closed()

    assert loop.run_until_complete(main()).wasClean
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    other.close()


def test_a_loop_of_ours_beside_a_host(host, url):
    """A socket of a `Loop` is driven by hand, whatever runs."""

    async def main():
        with tightwire.Loop() as loop:
            ws = WebSocket(url, loop=loop)
            while ws.readyState == ws.CONNECTING:
                loop.dispatch()
                await host.sleep(0)
            ws.close()
            loop.run()
            return ws.close_event.wasClean

    assert host.run(main)


def test_reconnect(host):
    count = iter(range(99))

    def flaky(ws):
        drops = next(count) < 2
        ws.onmessage = lambda event: ws.abort() if drops else ws.close(1000)

    async def main(url):
        seen, resumed = [], []

        async def resume(ws):
            await host.sleep(0)
            resumed.append(ws)

        async for ws in tightwire.reconnect(url, policy=tightwire.Reconnect(initial=0.005), on_resume=resume):
            seen.append(ws)
            ws.send("x")
            await ws.closed()
        assert len(seen) == 3 and resumed == seen[1:]

    with running_server(flaky) as server:
        host.run(main, f"ws://127.0.0.1:{server.port}")


def test_two_runs_share_nothing(host):
    async def main():
        server = tightwire.serve(echo)
        ws = await WebSocket(f"ws://127.0.0.1:{server.port}")
        ws.onmessage = lambda event: ws.close(1000, event.data)
        ws.send("again")
        event = await ws.closed()
        server.close()
        return event.reason

    assert [host.run(main) for _ in range(3)] == ["again"] * 3


def test_sends_of_one_turn_leave_together(host):
    frames = []

    def script(connection):
        accept_upgrade(connection)
        frames.append(connection.recv(1 << 16))
        wait_for_end(connection)

    async def main(url):
        ws = await WebSocket(url, close_timeout=0.01)
        for _ in range(20):
            ws.send(b"0123456789")
        ws.close()
        await ws.closed()

    with raw_server(script) as url:
        host.run(main, url)
    # 20 messages of 6 + 10 bytes, and an empty Close of 6.
    assert len(frames[0]) == 20 * 16 + 6
