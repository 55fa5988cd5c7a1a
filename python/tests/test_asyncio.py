"""Sockets that a running asyncio loop drives."""

import asyncio
import gc
import sys
import weakref

import pytest
from conftest import accept_upgrade, raw_server, running_server, timers, wait_for_end

import tightwire
from tightwire import WebSocket, _loops


def test_an_exception_in_a_handler_goes_to_asyncio(url):
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

    ws = asyncio.run(main())
    (context,) = reported
    assert isinstance(context["exception"], ZeroDivisionError) and context["websocket"] is ws


def test_run_beside_asyncio_is_refused():
    async def main():
        with pytest.raises(RuntimeError, match="await"):
            tightwire.run()

    asyncio.run(main())


def test_await():
    async def main(url):
        ws = await WebSocket(url)
        assert ws.readyState == 1
        assert await ws is ws
        ws.close()
        with pytest.raises(tightwire.ConnectError):
            await WebSocket("ws://127.0.0.1:1/")
        failed = WebSocket("ws://127.0.0.1:1/")
        task = asyncio.ensure_future(asyncio.wait_for(failed, 5))
        with pytest.raises(ConnectionError):
            await task

    with running_server() as server:
        asyncio.run(main(f"ws://127.0.0.1:{server.port}"))


def test_async_handlers_run_in_order(url):
    order = []

    async def main():
        closed = asyncio.get_running_loop().create_future()
        errors = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, c: errors.append(c))
        ws = WebSocket(url)

        async def opened(event):
            for number in range(5):
                ws.send(str(number))

        async def message(event):
            for _ in range(5 - int(event.data)):
                await asyncio.sleep(0)
            order.append(event.data)
            if event.data == "3":
                raise ValueError
            if event.data == "4":
                ws.close()

        ws.onopen, ws.onmessage = opened, message
        ws.onclose = closed.set_result
        await closed
        return errors

    (error,) = asyncio.run(main())
    assert order == ["0", "1", "2", "3", "4"] and isinstance(error["exception"], ValueError)


def test_async_handlers_need_asyncio(url, monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: reported.append(info.exc_value))
    ws = WebSocket(url)

    async def opened(event):
        raise AssertionError

    ws.onopen = opened
    ws.addEventListener("open", lambda event: ws.close())
    tightwire.run()
    assert len(reported) == 1 and "asyncio" in str(reported[0])


def test_asyncio_run_says_goodbye(url):
    codes = []

    def greet(ws):
        ws.onclose = lambda event: codes.append(event.code)

    async def main(url):
        kept.append(await WebSocket(url))

    kept = []
    with running_server(greet) as server:
        asyncio.run(main(f"ws://127.0.0.1:{server.port}"))
        assert not _loops._hosts
    assert codes == [1001]


def test_an_asyncio_loop_that_is_closed_takes_its_sockets_along(url):
    before = timers()
    loop = asyncio.new_event_loop()

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


def test_loop_argument(url):
    loop = asyncio.new_event_loop()
    ws = WebSocket(url, loop=loop)

    async def main():
        await ws
        ws.close()
        with pytest.raises(RuntimeError, match="loop"):
            WebSocket(url, loop=other)
        other.close()

    other = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def test_sends_of_one_turn_leave_together(play):
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
        closed = asyncio.get_running_loop().create_future()
        ws.onclose = closed.set_result
        await closed

    with raw_server(script) as url:
        asyncio.run(main(url))
    # 20 messages of 6 + 10 bytes, and an empty Close of 6.
    assert len(frames[0]) == 20 * 16 + 6
