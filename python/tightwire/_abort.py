"""Abort signals, as in the DOM: what ends a listener or an opening handshake from outside."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, Callable, Iterable

from . import _loops
from ._native import EventTarget
from .exceptions import AbortError, TimeoutError

if TYPE_CHECKING:
    from ._native import BaseLoop, Event

_MAKE = object()


class AbortSignal(EventTarget):
    """Tells those who were given it that they are to stop. Made by an `AbortController`, or by
    `abort`, `timeout` and `any`.

    It fires `abort` once. Any thread may ask; on which one the listeners are called is up to whoever
    aborts.
    """

    def __init__(self, _make: object = None) -> None:
        if _make is not _MAKE:
            raise TypeError("AbortSignal: use AbortController(), AbortSignal.timeout() and the like")
        self._aborted = False
        self._reason: Any = None
        # Those that `any` made of this one, in their order.
        self._dependents: weakref.WeakKeyDictionary[AbortSignal, None] = weakref.WeakKeyDictionary()
        # Those of them that somebody listens to, which therefore live as long as this one.
        self._heard: set[AbortSignal] = set()
        # Those that this one was made of by `any`, and that are not made of others themselves.
        self._sources: list[AbortSignal] = []
        # When `timeout` is over on the clock `time.monotonic`, and what is to be called then.
        self._timeout: tuple[float, Callable[[], object]] | None = None
        # The loops that count the time for the sake of their sockets.
        self._counting: weakref.WeakSet[BaseLoop] = weakref.WeakSet()

    @property
    def aborted(self) -> bool:
        """Whether it was aborted."""
        return self._aborted

    @property
    def reason(self) -> Any:
        """What it was aborted with; None before."""
        return self._reason

    def throwIfAborted(self) -> None:
        """Raises the reason, if it was aborted; an `AbortError` about it if it is no exception."""
        if self._aborted:
            if isinstance(self._reason, BaseException):
                raise self._reason
            raise AbortError(f"aborted: {self._reason}")

    throw_if_aborted = throwIfAborted

    @property
    def onabort(self) -> Callable[[Event], object] | None:
        """Called when it is aborted. Anything that is not callable becomes None."""
        return self._attribute("abort")

    @onabort.setter
    def onabort(self, handler: Callable[[Event], object] | None) -> None:
        self._set_attribute("abort", handler)
        self._keep_if_heard()

    def addEventListener(self, *args: Any, **options: Any) -> None:
        """As that of `EventTarget`."""
        super().addEventListener(*args, **options)
        self._keep_if_heard()

    def removeEventListener(self, *args: Any, **options: Any) -> None:
        """As that of `EventTarget`."""
        super().removeEventListener(*args, **options)
        self._keep_if_heard()

    add_event_listener = addEventListener
    remove_event_listener = removeEventListener

    def _keep_if_heard(self) -> None:
        # DOM, "Garbage collection" of abort signals.
        heard = self._hears("abort")
        for source in self._sources:
            (source._heard.add if heard else source._heard.discard)(self)

    @classmethod
    def abort(cls, reason: Any = None) -> AbortSignal:
        """A signal that was aborted already; with an `AbortError` if `reason` is None."""
        signal = cls(_MAKE)
        signal._aborted = True
        signal._reason = _or_default(reason)
        return signal

    @classmethod
    def timeout(cls, milliseconds: float) -> AbortSignal:
        """A signal that is aborted after a time, with a `TimeoutError`.

        Example:
            ws = tightwire.WebSocket("ws://localhost:9001/", signal=tightwire.AbortSignal.timeout(5000))
            ws.onopen = lambda event: ws.close()
            tightwire.run()

        The loop that drives the sockets of this thread counts the time, and so do the loops of the sockets that
        were given the signal.

        Raises:
            ValueError: A negative time.
        """
        if not milliseconds >= 0:
            raise ValueError(f"milliseconds: a time expected, not {milliseconds}")
        signal = cls(_MAKE)

        seconds = milliseconds / 1000

        def late() -> None:
            signal._abort(TimeoutError(f"aborted: {milliseconds} ms are over"))

        signal._timeout = (time.monotonic() + seconds, late)
        _loops.call_later(seconds, late)
        return signal

    def _count_on(self, loop: BaseLoop) -> None:
        """Has a loop count the time, if there is any to count, because a socket of it follows this."""
        for signal in self._sources or [self]:
            if signal._timeout is not None and loop not in signal._counting:
                end, late = signal._timeout
                loop.call_later(max(0.0, end - time.monotonic()), late)
                signal._counting.add(loop)

    @classmethod
    def any(cls, signals: Iterable[AbortSignal]) -> AbortSignal:
        """A signal that is aborted with the first of `signals`, with the same reason."""
        given = list(signals)
        for source in given:
            if not isinstance(source, AbortSignal):
                raise TypeError(f"signals: AbortSignal expected, not {type(source).__name__}")
        made = cls(_MAKE)
        for source in given:
            if source._aborted:
                made._aborted = True
                made._reason = source._reason
                return made
        for source in given:
            for root in source._sources or [source]:
                if root not in made._sources:
                    made._sources.append(root)
                    root._dependents[made] = None
        return made

    def _abort(self, reason: Any) -> None:
        if self._aborted:
            return
        # All of them are aborted before the first listener hears of it.
        following = [signal for signal in self._dependents if not signal._aborted]
        for signal in (self, *following):
            signal._aborted = True
            signal._reason = _or_default(reason) if signal is self else self._reason
        for signal in (self, *following):
            signal._sources.clear()
            signal._heard.clear()
            signal._timeout = None
            signal._run_algorithms()
            signal._fire("abort")

    def __repr__(self) -> str:
        state = f"aborted: {self._reason!r}" if self._aborted else "not aborted"
        return f"<AbortSignal {state}>"


def _or_default(reason: Any) -> Any:
    return AbortError("aborted without a reason") if reason is None else reason


class AbortController:
    """The one who may abort a signal.

    Example:
        controller = tightwire.AbortController()
        ws = tightwire.WebSocket("ws://localhost:9001/", signal=controller.signal)
        ws.onerror = lambda event: print(event.error.name)
        controller.abort()
        tightwire.run()
    """

    def __init__(self) -> None:
        self._signal = AbortSignal(_MAKE)

    @property
    def signal(self) -> AbortSignal:
        """What to give to those who are to stop."""
        return self._signal

    def abort(self, reason: Any = None) -> None:
        """Aborts the signal, once; with an `AbortError` if `reason` is None."""
        self._signal._abort(reason)
