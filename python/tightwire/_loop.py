"""`Loop`: for whoever wants to say which loop drives a socket, and who drives the loop."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from . import _loops
from ._native import BaseLoop

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_T = TypeVar("_T")

# Seconds between two looks at whether a loop still runs.
_LOOK = 0.05


class Loop(BaseLoop):
    """Drives sockets and servers that were made with `loop=`, in one of three ways.

    `run` drives it on the calling thread, `start_thread` on one of its own. Where another event loop
    rules (Qt, GTK, tk), have that watch `fileno` for reading and call `dispatch` then.

    Example:
        loop = tightwire.Loop()
        ws = tightwire.WebSocket("ws://localhost:9001/", loop=loop)
        ws.onopen = lambda event: ws.close()
        with selectors.DefaultSelector() as selector:
            selector.register(loop.fileno(), selectors.EVENT_READ)
            while ws.readyState != ws.CLOSED:
                selector.select()
                loop.dispatch()

    Example:
        def make():
            ws = tightwire.WebSocket("ws://localhost:9001/")
            ws.onopen = lambda event: ws.send("hello")
            ws.onmessage = lambda event: answers.put(event.data)

        answers = queue.Queue()
        with tightwire.Loop() as loop:
            loop.start_thread()
            loop.call(make)
            print(answers.get())

    It belongs to the thread that drives it, or made it, until another one does: there new sockets are
    made and handlers run. It lives as long as this object; `close`, which a `with` block does as well,
    says goodbye to the peers. A loop that its own handlers refer to keeps itself alive, so that one has to be closed.

    Args:
        spin: Seconds, mostly well under a millisecond. For so long since there was something to do, `run` and the
            loop's own thread ask for news again and again instead of sleeping. What comes meanwhile is spared the
            time that the system takes to wake a thread, and a core is busy instead; other Python threads run all
            the same. Without effect under `dispatch`.

    Raises:
        ValueError: `spin`: a negative time.
    """

    def __init__(self, *, spin: float = 0.0) -> None:
        self._thread: threading.Thread | None = None
        _loops.adopt(self)

    def start_thread(self, *, name: str = "tightwire", daemon: bool = True) -> threading.Thread:
        """Drives the loop on a thread of its own, until `stop` or `close`.

        Make its sockets there, by `call`; so no event can come before its handler is set. Without
        `loop=`, sockets that are made on that thread are the loop's.

        Args:
            name: The name of the thread.
            daemon: False keeps the program from ending before `stop`.

        Raises:
            RuntimeError: The loop is driven already.
        """
        if self.running or (self._thread is not None and self._thread.is_alive()):
            raise RuntimeError("start_thread: the loop is driven already")
        started = threading.Event()

        def work() -> None:
            _loops.use(self)
            self.call_soon_threadsafe(started.set)
            self._run_until_stopped()

        self._thread = threading.Thread(target=work, name=name, daemon=daemon)
        self._thread.start()
        while not started.wait(_LOOK) and self._thread.is_alive():
            pass
        return self._thread

    def call(self, function: Callable[..., _T], *args: Any) -> _T:
        """Calls `function(*args)` on the thread that drives the loop, and returns what it returns.

        On that thread itself, and while nobody runs the loop, the call is an ordinary one. Any thread.

        Raises:
            RuntimeError: The loop was stopped meanwhile.
        """
        if self._own_thread or not self.running:
            return function(*args)
        from concurrent.futures import Future, wait

        future: Future[_T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function(*args)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_soon_threadsafe(job)
        while not wait([future], _LOOK).done:
            if not self.running and future.cancel():
                raise RuntimeError("call: the loop was stopped meanwhile")
        return future.result()

    def close(self, grace: float = _loops.FAREWELL) -> None:
        """Stops the thread, closes every connection with 1001, and ends the loop. More than once.

        Args:
            grace: Seconds that the peers have for the closing handshake.

        Raises:
            RuntimeError: In a handler.
        """
        thread = self._thread
        if thread is not None and thread.is_alive():
            if thread is threading.current_thread():
                raise RuntimeError("close: a handler cannot end the loop that calls it; stop it")
            self.stop()
            thread.join()
        if self.running or self._at_work:
            raise RuntimeError("close: the loop is at work; stop it")
        try:
            if self._driven:
                self._shutdown(grace)
        finally:
            self._abandon()

    def _end(self, patience: float) -> None:
        """`close` at the end of the program, unless a handler goes on for longer than this."""
        if self.running and (self._thread is None or not self._thread.is_alive()):
            # A thread of the application's calls `run`, and nobody but that can stop it for good.
            return _loops.say_goodbye(self)
        self.stop()
        end = time.monotonic() + patience
        while self.running or self._at_work:
            if time.monotonic() > end:
                return
            time.sleep(_LOOK)
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _class: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()
