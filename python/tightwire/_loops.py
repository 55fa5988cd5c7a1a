"""Which loop drives a socket: that of asyncio or trio, or the thread's own under `run()`.

A native loop lives as long as it has sockets. One with a host, that is, in an asyncio loop or a trio
run, is held by what that host watches alone, so it goes with it; one of a thread is held by the
thread. Nothing here holds a host.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Callable, Protocol, TypeVar, cast

from ._native import BaseLoop, EventTarget, WebSocket
from .exceptions import WrongLoop, report_unraisable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from ._native import CloseEvent, Event

_Handler = TypeVar("_Handler", bound="Callable[..., object]")

# Seconds that a loop which ends gives its peers for the closing handshake.
FAREWELL = 1.0

_own = threading.local()
_loops: weakref.WeakSet[BaseLoop] = weakref.WeakSet()
_hosts: weakref.WeakKeyDictionary[Host, weakref.ref[Hosted]] = weakref.WeakKeyDictionary()
# Calls that are to come, by the loop of a thread that counts the time.
_due: weakref.WeakKeyDictionary[BaseLoop, int] = weakref.WeakKeyDictionary()
_unfinished: weakref.WeakKeyDictionary[EventTarget, int] = weakref.WeakKeyDictionary()


class Host(Protocol):
    """What drives a native loop: an asyncio loop, or what `_trio` makes of a trio run."""

    def is_running(self) -> bool: ...
    def add_reader(self, fd: int, callback: Callable[[], object]) -> object: ...
    def remove_reader(self, fd: int) -> object: ...
    def call_soon(self, callback: Callable[[], object]) -> object: ...
    def call_later(self, delay: float, callback: Callable[[], object]) -> object: ...


class Hosted:
    """What a host needs to drive a native loop, which keeps it."""

    def __init__(self, loop: BaseLoop) -> None:
        self.loop = weakref.ref(loop)
        self.fd = loop.fileno()
        self.released: Callable[[], object] | None = None
        """To be called when nothing is left in the loop."""


def current(loop: object = None) -> BaseLoop:
    """The loop that drives new sockets of this thread, made if there is none."""
    if isinstance(loop, BaseLoop):
        return loop
    running = _running()
    if loop is None:
        host = running
    elif not hasattr(loop, "add_reader"):
        raise TypeError(f"loop: a Loop or an asyncio event loop expected, not {type(loop).__name__}")
    elif running is not loop and (running is not None or cast("Host", loop).is_running()):
        raise WrongLoop("loop: is not the running loop of this thread")
    else:
        host = cast("Host", loop)
    if host is not None:
        return _current_in(host)
    own: BaseLoop | None = getattr(_own, "loop", None)
    if own is None:
        own = _own.loop = BaseLoop()
        _loops.add(own)
    return own


def _running() -> Host | None:
    # Whoever runs asyncio or trio has imported it.
    asyncio = sys.modules.get("asyncio")
    host = asyncio._get_running_loop() if asyncio is not None else None
    if host is None and "trio" in sys.modules:
        from . import _trio

        host = _trio.running()
    return cast("Host | None", host)


def hosted_by(host: object) -> Hosted | None:
    """What drives the sockets of a host, if it has any."""
    ref = _hosts.get(cast("Host", host)) if host is not None else None
    return ref() if ref is not None else None


def _current_in(host: Host) -> BaseLoop:
    hosted = hosted_by(host)
    loop = hosted.loop() if hosted is not None else None
    if loop is not None:
        return loop
    loop = BaseLoop(host)
    hosted = Hosted(loop)
    try:
        host.add_reader(hosted.fd, loop._turn)
    except NotImplementedError:
        raise RuntimeError(
            f"tightwire needs an asyncio loop with add_reader, and {type(host).__name__} has none"
        ) from None
    loop._keep(hosted)
    _hosts[host] = weakref.ref(hosted)
    _loops.add(loop)
    if host.is_running() and "asyncio" in sys.modules:
        from . import _asyncio

        _asyncio.watch_end(host, hosted)
    return loop


def adopt(loop: BaseLoop) -> None:
    """A loop that the application made."""
    _loops.add(loop)


def use(loop: BaseLoop) -> None:
    """New sockets of this thread are driven by `loop`."""
    _own.loop = loop


def release(loop: BaseLoop) -> None:
    """Nothing is left in `loop`: lets it go, unless a call is to come from it."""
    if getattr(_own, "loop", None) is loop:
        if not _due.get(loop):
            del _own.loop
        return
    for host, ref in list(_hosts.items()):
        hosted = ref()
        if hosted is not None and hosted.loop() is loop:
            del _hosts[host]
            host.remove_reader(hosted.fd)
            if hosted.released is not None:
                hosted.released()


def run() -> None:
    """Drives the sockets and servers of this thread until none is left.

    Event handlers run in here, on this thread. While there is nothing to do the interpreter lock
    is given up; Ctrl-C ends the call at once with `KeyboardInterrupt`, and it may be called again.

    Raises:
        RuntimeError: In an event handler, or while asyncio or trio runs in this thread, which drives
            the sockets by itself.
    """
    _check_no_host()
    own: BaseLoop | None = getattr(_own, "loop", None)
    if own is not None:
        own.run()
        _tidy()


def run_socket(ws: WebSocket, opening: bool = False) -> None:
    """Drives the loop of `ws` until that is closed or, with `opening`, not connecting any more."""
    _check_no_host()
    ws._drive(opening)
    _tidy()


def _check_no_host() -> None:
    if _running() is not None:
        raise RuntimeError(
            "the running loop of asyncio or trio drives the sockets of this thread: await something instead"
        )


def _tidy() -> None:
    """Lets the thread's own loop go if nothing is left in it."""
    own: BaseLoop | None = getattr(_own, "loop", None)
    if own is not None and own.idle:
        release(own)


def call_later(seconds: float, callback: Callable[[], object]) -> None:
    """Has the loop that drives new sockets of this thread call something, if it runs then or later."""
    host = _running()
    if host is not None:
        host.call_later(seconds, callback)
        return
    loop = current()
    # Weak, as the loop owns the call.
    ref = weakref.ref(loop)

    def due() -> None:
        counting = ref()
        if counting is not None:
            _due[counting] -= 1
        callback()

    loop.call_later(seconds, due)
    _due[loop] = _due.get(loop, 0) + 1


def chain(
    host: Host | None,
    target: EventTarget,
    handler: object,
    coroutine: Coroutine[Any, Any, object],
) -> None:
    """Runs what an `async def` handler returned, after what earlier ones of `target` returned.

    A socket with many that are unfinished reads nothing until there are fewer.
    """
    if host is None:
        host = _running()
    if host is None:
        raise RuntimeError("an async def handler needs a running loop of asyncio or trio")
    # A task that is eager is done before it is known here.
    count = _unfinished[target] = _unfinished.get(target, 0) + 1
    if isinstance(target, WebSocket) and count == target._pending_handlers + 1:
        target._hold(True)
    own = getattr(host, "chain", None)
    try:
        if own is not None:
            own(target, handler, coroutine)
        else:
            from . import _asyncio

            _asyncio.chain(cast("Any", host), target, handler, coroutine)
    except BaseException:
        finished(target)
        raise


def finished(target: EventTarget) -> None:
    """One of the handlers that `chain` was given is done."""
    count = _unfinished[target] = _unfinished[target] - 1
    if isinstance(target, WebSocket) and count == target._pending_handlers:
        target._hold(False)


def report(target: EventTarget, handler: object, error: BaseException) -> None:
    """Tells asyncio what a listener of a target that is no socket raised, or raises it again."""
    host = _running()
    tell = getattr(host, "call_exception_handler", None)
    if tell is None:
        raise error
    tell(exception_context(target, handler, error))


def exception_context(target: EventTarget, handler: object, error: BaseException) -> dict[str, Any]:
    """What exception handlers are told."""
    is_socket = isinstance(target, WebSocket)
    kind = "a WebSocket event handler" if is_socket else f"an event handler of {type(target).__name__}"
    return {
        "message": f"exception in {kind}",
        "exception": error,
        "websocket" if is_socket else "target": target,
        "handler": handler,
    }


async def opened(ws: WebSocket) -> WebSocket:
    """What `await ws` waits for."""
    # One that was given up before it was open is closing, and will say why.
    if ws.readyState == ws.CONNECTING or (ws.readyState == ws.CLOSING and ws.remote_address is None):
        await _until(lambda: ws.readyState == ws.OPEN or _is_over(ws), ws, "open", "close")
    if ws.error is not None:
        raise ws.error
    return ws


async def closed(ws: WebSocket) -> CloseEvent | None:
    """What `await ws.closed()` waits for."""
    await _until(lambda: _is_over(ws), ws, "close")
    return ws.close_event


def _is_over(ws: WebSocket) -> bool:
    return ws.readyState == ws.CLOSED and ws.close_event is not None


async def sleep(seconds: float) -> None:
    """Waits in asyncio or trio."""
    if _in_trio():
        await sys.modules["trio"].sleep(seconds)
    else:
        import asyncio

        await asyncio.sleep(seconds)


def _in_trio() -> bool:
    return "trio" in sys.modules and sys.modules["trio"].lowlevel.in_trio_run()


async def _until(is_over: Callable[[], bool], ws: WebSocket, *types: str) -> None:
    """Waits until something is over, as the first event of one of these types tells."""
    if is_over():
        return
    wake, wait = _alarm()

    def settle(event: Event) -> None:
        wake()

    for type in types:
        ws.addEventListener(type, settle)
    try:
        # The event may have come before the listeners, where another thread drives the socket.
        if not is_over():
            await wait()
    finally:
        for type in types:
            ws.removeEventListener(type, settle)


def _alarm() -> tuple[Callable[[], object], Callable[[], Awaitable[object]]]:
    """Two functions: one that wakes this task, on any thread, and one that waits for it."""
    thread = threading.get_ident()
    if _in_trio():
        trio = sys.modules["trio"]
        event, token = trio.Event(), trio.lowlevel.current_trio_token()
        wait, ring, ring_from_outside, gone = event.wait, event.set, token.run_sync_soon, trio.RunFinishedError
    else:
        import asyncio

        host = asyncio.get_running_loop()
        future = host.create_future()
        ring_from_outside, gone = host.call_soon_threadsafe, RuntimeError

        async def wait() -> None:
            await future

        def ring() -> None:
            if not future.done():
                future.set_result(None)

    def wake() -> None:
        if threading.get_ident() == thread:
            ring()
            return
        # Who waited may be gone.
        with contextlib.suppress(gone):
            ring_from_outside(ring)

    return wake, wait


def decorator(target: EventTarget, type: str) -> Callable[[_Handler], _Handler]:
    """What `@target.on(type)` is."""

    def register(handler: _Handler) -> _Handler:
        target.addEventListener(type, handler)
        return handler

    return register


@atexit.register
def _at_exit() -> None:
    """Says goodbye to all peers, whoever drives their loops."""
    own: BaseLoop | None = getattr(_own, "loop", None)
    if own is not None:
        del _own.loop
        _try(_end_own, own)
    for loop in list(_loops):
        end = getattr(loop, "_end", None)
        if end is not None:
            _try(end, FAREWELL)
        else:
            _try(say_goodbye, loop)


def _end_own(own: BaseLoop) -> None:
    try:
        if own._driven:
            own._shutdown(FAREWELL)
        elif not own.idle:
            warnings.warn(
                "a WebSocket or server was never driven: call tightwire.run()",
                RuntimeWarning,
                stacklevel=2,
            )
    finally:
        own._abandon()


def _try(function: Callable[..., object], *args: object) -> None:
    """Calls a function; what it raises is reported, so that the next ones are called, too."""
    try:
        function(*args)
    except BaseException as error:
        report_unraisable(error, function)


def say_goodbye(loop: BaseLoop) -> None:
    """Closes what an asyncio loop that was not closed has open, or the `run` of another thread."""
    host = next((host for host, ref in list(_hosts.items()) if _drives(ref(), loop)), None)
    if loop.running or (host is not None and not loop._own_thread and host.is_running()):
        loop._go_away_soon()
        end = time.monotonic() + FAREWELL
        while (loop.running or _drives(hosted_by(host), loop)) and time.monotonic() < end:
            time.sleep(0.005)
    elif loop._driven:
        loop._shutdown(FAREWELL)


def _drives(hosted: Hosted | None, loop: BaseLoop) -> bool:
    return hosted is not None and hosted.loop() is loop


def _after_fork() -> None:
    """A child shares its parent's descriptors: it closes its copies without a word."""
    for loop in list(_loops):
        loop._abandon()
    _loops.clear()
    _hosts.clear()
    _own.__dict__.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
