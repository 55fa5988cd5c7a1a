"""What a type checker knows of the interface. Checked by mypy and pyright, and run by nobody."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Literal

from typing_extensions import assert_type

import tightwire
from tightwire import CloseEvent, Event, MessageEvent, WebSocket, WebSocketError


def a_client() -> None:
    ws = WebSocket("ws://localhost/", ["a", "b"], headers={"X": "y"}, timeout=None, heartbeat=(1.0, 2.0))
    assert_type(ws.readyState, int)
    assert_type(ws.bufferedAmount, int)
    assert_type(ws.url, str)
    assert_type(ws.protocol, str)
    assert_type(ws.error, WebSocketError | None)
    assert_type(ws.close_event, CloseEvent | None)
    assert_type(ws.remote_address, tuple[str, int] | None)
    assert_type(ws.latency, float | None)
    assert_type(ws.stats, tightwire.Stats)
    assert_type(ws.OPEN, Literal[1])
    ws.send("text")
    ws.send(b"bytes", compress=True)
    ws.send(memoryview(bytearray(3)))
    ws.send(tightwire.Blob(["x"]))
    ws.binaryType = "arraybuffer"
    ws.close()
    ws.close(1000, "bye")
    assert_type(ws.run(), CloseEvent | None)
    tightwire.run()


def handlers(ws: WebSocket) -> None:
    ws.onopen = lambda event: ws.send("hello")
    ws.onmessage = lambda event: print(event.data)
    ws.onclose = lambda event: print(event.code, event.reason, event.wasClean)
    ws.onerror = lambda event: print(event)
    ws.onmessage = None

    def on_message(event: MessageEvent) -> None:
        assert_type(event.data, Any)
        assert_type(event.origin, str)

    def on_close(event: CloseEvent) -> None:
        assert_type(event.code, int)
        assert_type(event.error, WebSocketError | None)

    async def later(event: MessageEvent) -> None: ...

    ws.onmessage = on_message
    ws.onmessage = later
    ws.onclose = on_close
    ws.addEventListener("message", on_message, once=True)
    ws.addEventListener("message", later, {"signal": tightwire.AbortSignal.timeout(5)})
    ws.removeEventListener("message", on_message)

    @ws.on("message")
    def decorated(event: MessageEvent) -> int:
        return 5

    again: Callable[[MessageEvent], int] = decorated
    assert_type(again(MessageEvent("message")), int)
    assert_type(ws.dispatchEvent(Event("x")), bool)


class Mine(WebSocket):
    def hello(self) -> None:
        self.send("hello")


async def a_host() -> None:
    ws = await Mine("wss://localhost/", tls=ssl.create_default_context())
    assert_type(ws, Mine)
    assert_type(await ws.closed(), CloseEvent | None)
    async for again in tightwire.reconnect("ws://localhost/", policy=tightwire.Reconnect(max_attempts=3)):
        assert_type(again, WebSocket)
    for again in tightwire.reconnect("ws://localhost/"):
        assert_type(again, WebSocket)
    assert_type(await tightwire.Blob(["x"]).text(), str)


def a_server() -> None:
    def handle(ws: WebSocket) -> None:
        ws.onmessage = lambda event: ws.send(event.data)

    async def handle_later(ws: WebSocket) -> None: ...

    with tightwire.serve(handle, "127.0.0.1", 0, tls=tightwire.TLS(cert="c.pem", key="k.pem")) as server:
        assert_type(server.port, int)
        assert_type(server.connections, list[WebSocket])
        assert_type(server.broadcast("x"), int)
    tightwire.serve(handle_later)


def a_loop() -> None:
    with tightwire.Loop() as loop:
        ws = WebSocket("ws://localhost/", loop=loop)
        assert_type(loop.call(lambda: ws.readyState), int)
        assert_type(loop.fileno(), int)
        loop.call_later(0.5, print, "x").cancel()
        loop.dispatch()


def aborting() -> None:
    controller = tightwire.AbortController()
    signal = tightwire.AbortSignal.any([controller.signal, tightwire.AbortSignal.timeout(1)])
    WebSocket("ws://localhost/", signal=signal)
    controller.abort(KeyError())
    assert_type(signal.aborted, bool)
