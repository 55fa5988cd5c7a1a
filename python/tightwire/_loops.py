"""Which loop drives a socket: the running asyncio loop, or the thread's own under `run()`.

A native `Loop` lives as long as it has sockets. One in an asyncio loop is held by that loop's
reader alone, so it goes with it; one of a thread is held by the thread. Nothing here holds an
asyncio loop.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from ._native import Loop, WebSocket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Coroutine

    from ._native import CloseEvent, Event

_Handler = TypeVar("_Handler", bound="Callable[..., object]")

# Seconds that a loop which ends gives its peers for the closing handshake.
_FAREWELL = 1.0

_own = threading.local()
_loops: weakref.WeakSet[Loop] = weakref.WeakSet()
_hosts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_Hosted]] = (
    weakref.WeakKeyDictionary()
)
_tails: weakref.WeakKeyDictionary[WebSocket, asyncio.Task[None]] = weakref.WeakKeyDictionary()


class _Hosted:
    """What an asyncio loop needs to drive a native one, which keeps it."""

    def __init__(self, loop: Loop) -> None:
        self.loop = weakref.ref(loop)
        self.fd = loop.fileno()
        self.guard: AsyncGenerator[None, None] | None = None
        self.idle: asyncio.Event | None = None


def current(host: asyncio.AbstractEventLoop | None = None) -> Loop:
    """The loop that drives new sockets of this thread, made if there is none."""
    running = _running()
    if host is None:
        host = running
    elif not hasattr(host, "add_reader"):
        raise TypeError(f"loop: an asyncio event loop expected, not {type(host).__name__}")
    elif running is not host and (running is not None or host.is_running()):
        raise RuntimeError("loop: is not the running loop of this thread")
    if host is not None:
        return _current_in(host)
    loop: Loop | None = getattr(_own, "loop", None)
    if loop is None:
        loop = _own.loop = Loop()
        _loops.add(loop)
    return loop


def _running() -> asyncio.AbstractEventLoop | None:
    # Whoever runs an asyncio loop has imported it.
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None


def hosted_by(host: asyncio.AbstractEventLoop) -> _Hosted | None:
    """What drives the sockets of an asyncio loop, if it has any."""
    ref = _hosts.get(host)
    return ref() if ref is not None else None


def _current_in(host: asyncio.AbstractEventLoop) -> Loop:
    hosted = hosted_by(host)
    loop = hosted.loop() if hosted is not None else None
    if loop is not None:
        return loop
    loop = Loop(host)
    hosted = _Hosted(loop)
    try:
        host.add_reader(hosted.fd, loop.turn)
    except NotImplementedError:
        raise RuntimeError(
            f"tightwire needs an asyncio loop with add_reader, and {type(host).__name__} has none"
        ) from None
    loop.keep(hosted)
    _hosts[host] = weakref.ref(hosted)
    _loops.add(loop)
    if host.is_running():
        _watch_end(host, hosted)
    return loop


def _watch_end(host: asyncio.AbstractEventLoop, hosted: _Hosted) -> None:
    """Has `asyncio.run` say goodbye to the peers: it closes asynchronous generators at its end."""
    hosted.guard = _guard(weakref.ref(host), weakref.ref(hosted))
    try:
        hosted.guard.asend(None).send(None)
    except StopIteration:
        pass


async def _guard(
    host: weakref.ref[asyncio.AbstractEventLoop], hosted: weakref.ref[_Hosted]
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await _farewell(hosted())


async def _farewell(hosted: _Hosted | None) -> None:
    import asyncio

    loop = hosted.loop() if hosted is not None else None
    if hosted is None or loop is None or loop.idle:
        return
    hosted.idle = asyncio.Event()
    loop.go_away()
    try:
        await asyncio.wait_for(hosted.idle.wait(), _FAREWELL)
    except (TimeoutError, asyncio.TimeoutError):
        pass


def release(loop: Loop) -> None:
    """Nothing is left in `loop`: lets it go."""
    if getattr(_own, "loop", None) is loop:
        del _own.loop
        return
    for host, ref in list(_hosts.items()):
        hosted = ref()
        if hosted is not None and hosted.loop() is loop:
            del _hosts[host]
            host.remove_reader(hosted.fd)
            if hosted.idle is not None:
                hosted.idle.set()
            elif hosted.guard is not None:
                _dismiss(hosted.guard)


def _dismiss(guard: AsyncGenerator[None, None]) -> None:
    """Ends a guard that has nothing to wait for."""
    try:
        guard.aclose().send(None)
    except StopIteration:
        pass


def run() -> None:
    """Drives the sockets and servers of this thread until none is left.

    Event handlers run in here, on this thread. While there is nothing to do the interpreter lock
    is given up; Ctrl-C ends the call at once with `KeyboardInterrupt`, and it may be called again.

    Raises:
        RuntimeError: In an event handler, or while an asyncio loop runs in this thread, which
            drives the sockets by itself.
    """
    _run(None)


def run_socket(ws: WebSocket) -> None:
    """Drives the loop of this thread until `ws` is closed."""
    _run(ws)


def run_until_open(ws: WebSocket) -> None:
    """Drives the loop of this thread until `ws` is open, or closed."""
    _run(ws, opening=True)


def _run(ws: WebSocket | None, opening: bool = False) -> None:
    if _running() is not None:
        raise RuntimeError(
            "the running asyncio loop drives the sockets of this thread: await something instead"
        )
    loop: Loop | None = getattr(_own, "loop", None)
    if loop is None:
        return
    loop.run(ws, opening)
    if loop.idle:
        release(loop)


def chain(
    host: asyncio.AbstractEventLoop,
    ws: WebSocket,
    handler: object,
    coroutine: Coroutine[Any, Any, object],
) -> None:
    """Runs what an `async def` handler returned, after what earlier ones of `ws` returned."""
    _tails[ws] = host.create_task(_after(_tails.get(ws), host, ws, handler, coroutine))


async def _after(
    previous: asyncio.Task[None] | None,
    host: asyncio.AbstractEventLoop,
    ws: WebSocket,
    handler: object,
    coroutine: Coroutine[Any, Any, object],
) -> None:
    if previous is not None and not previous.done():
        import asyncio

        try:
            await asyncio.wait([previous])
        except BaseException:
            coroutine.close()
            raise
    previous = None
    try:
        await coroutine
    except Exception as error:
        host.call_exception_handler(
            {
                "message": "exception in a WebSocket event handler",
                "exception": error,
                "websocket": ws,
                "handler": handler,
            }
        )


async def opened(ws: WebSocket) -> WebSocket:
    """What `await ws` waits for."""
    import asyncio

    if ws.readyState == ws.CONNECTING:
        future = asyncio.get_running_loop().create_future()

        def settle(event: Event) -> None:
            if not future.done():
                future.set_result(None)

        ws.addEventListener("open", settle)
        ws.addEventListener("close", settle)
        try:
            await future
        finally:
            ws.removeEventListener("open", settle)
            ws.removeEventListener("close", settle)
    if ws.error is not None:
        raise ws.error
    return ws


async def closed(ws: WebSocket) -> CloseEvent | None:
    """What `await ws.closed()` waits for."""
    import asyncio

    if ws.readyState != ws.CLOSED or ws.close_event is None:
        future = asyncio.get_running_loop().create_future()

        def settle(event: Event) -> None:
            if not future.done():
                future.set_result(None)

        ws.addEventListener("close", settle)
        try:
            await future
        finally:
            ws.removeEventListener("close", settle)
    return ws.close_event


def decorator(ws: WebSocket, type: str) -> Callable[[_Handler], _Handler]:
    """What `@ws.on(type)` is."""

    def register(handler: _Handler) -> _Handler:
        ws.addEventListener(type, handler)
        return handler

    return register


@atexit.register
def _at_exit() -> None:
    """Says goodbye to the peers of the main thread's own loop."""
    loop: Loop | None = getattr(_own, "loop", None)
    if loop is None:
        return
    del _own.loop
    if loop.driven:
        loop.shutdown(_FAREWELL)
    elif not loop.idle:
        warnings.warn(
            "a WebSocket or server was never driven: call tightwire.run()",
            RuntimeWarning,
            stacklevel=2,
        )
    loop.abandon()


def _after_fork() -> None:
    """A child shares its parent's descriptors: it closes its copies without a word."""
    for loop in list(_loops):
        loop.abandon()
    _hosts.clear()
    _own.__dict__.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
