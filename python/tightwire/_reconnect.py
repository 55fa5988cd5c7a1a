"""Connections one after the other, for as long as it takes."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any

from . import _loops
from ._native import Backoff, WebSocket
from ._options import Reconnect
from .exceptions import WebSocketError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

__all__ = ["reconnect"]


class reconnect:  # noqa: N801 - reads like the function that it is used as
    """Open sockets to the same URL, one after the other: a new one when the one before is lost.

    On asyncio and trio with `async for`, elsewhere with `for`.

    Example:
        async def main():
            async for ws in tightwire.reconnect("ws://localhost:9001/"):
                ws.onmessage = lambda event: (print(event.data), ws.close(1000))
                ws.send("hello")
                await ws.closed()

        asyncio.run(main())

    The body gets an open `WebSocket`. When it comes to its end the next one follows, after a wait
    that the policy decides; a socket that is still open then is closed. `break` leaves it as it is.

    The iteration ends when the peer closed for good: with 1000 or without a code. It raises the
    error of the last attempt if another one would not end better: a status like 401, 403 or 404, a
    certificate that does not verify, a close with 1002, 1003, 1007 to 1010, 3000 or 3003. What is worth
    another attempt: the network, deadlines, statuses 408, 425, 429 and 5xx, of which a
    `Retry-After` is heeded, and all other close codes.

    Args:
        url: As for `WebSocket`.
        protocols: As for `WebSocket`.
        policy: How long to wait, and how often.
        on_resume: Called with every open socket but the first, before the body gets it: the place to
            subscribe again. May be `async def` with `async for`.
        options: As for `WebSocket`.

    Raises:
        WebSocketError: From the iteration, as said above.
    """

    def __init__(
        self,
        url: str,
        protocols: str | Iterable[str] | None = None,
        *,
        policy: Reconnect | None = None,
        on_resume: Callable[[WebSocket], Awaitable[object] | object] | None = None,
        **options: Any,
    ) -> None:
        self._arguments = (url, protocols, options)
        self._policy = policy if policy is not None else Reconnect()
        self._on_resume = on_resume
        Backoff(*self._policy)  # wrong settings are to be told here

    def __aiter__(self) -> AsyncIterator[WebSocket]:
        return _Asynchronous(self)

    def __iter__(self) -> Iterator[WebSocket]:
        return _Blocking(self)

    def _connect(self) -> WebSocket:
        url, protocols, options = self._arguments
        return WebSocket(url, protocols, **options)


class _Attempts:
    """What both kinds of iteration remember."""

    def __init__(self, parent: reconnect) -> None:
        self.connect, self.on_resume = parent._connect, parent._on_resume
        self.backoff = Backoff(*parent._policy)
        self.ws: WebSocket | None = None
        self.resumes = False

    def wait(self, ws: WebSocket, wanted: bool) -> float | None:
        """Seconds before the next attempt; None if there is none."""
        wait = self.backoff.after(ws, wanted)
        if wait is None and ws.error is not None:
            raise ws.error
        return wait

    def resumed(self, ws: WebSocket) -> Awaitable[object] | object:
        first, self.resumes = not self.resumes, True
        return None if first or self.on_resume is None else self.on_resume(ws)


class _Asynchronous(_Attempts):
    def __aiter__(self) -> _Asynchronous:
        return self

    async def __anext__(self) -> WebSocket:
        while True:
            if self.ws is not None:
                ws, self.ws = self.ws, None
                wanted = ws.readyState == ws.OPEN
                if wanted:
                    ws.close(1000)
                await _loops.closed(ws)
                wait = self.wait(ws, wanted)
                if wait is None:
                    raise StopAsyncIteration
                await _loops.sleep(wait)
            self.ws = ws = self.connect()
            try:
                await ws
            except WebSocketError:
                continue
            resumed = self.resumed(ws)
            if inspect.isawaitable(resumed):
                await resumed
            return ws


class _Blocking(_Attempts):
    def __iter__(self) -> _Blocking:
        return self

    def __next__(self) -> WebSocket:
        while True:
            if self.ws is not None:
                ws, self.ws = self.ws, None
                wanted = ws.readyState == ws.OPEN
                if wanted:
                    ws.close(1000)
                ws.run()
                wait = self.wait(ws, wanted)
                if wait is None:
                    raise StopIteration
                time.sleep(wait)
            self.ws = ws = self.connect()
            _loops.run_socket(ws, opening=True)
            if ws.readyState == ws.OPEN:
                self.resumed(ws)
                return ws
