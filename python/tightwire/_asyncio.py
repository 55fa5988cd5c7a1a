"""Sockets that an asyncio loop drives: async handlers, and the goodbye at the end of `asyncio.run`."""

from __future__ import annotations

import asyncio
import functools
import inspect
import weakref
from typing import TYPE_CHECKING, Any

from . import _loops

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from ._native import EventTarget

_tails: weakref.WeakKeyDictionary[EventTarget, asyncio.Task[None]] = weakref.WeakKeyDictionary()


class _End:
    """Notices the end of a host, until there is nothing left to notice it for."""

    def __init__(self, hosted: _loops.Hosted) -> None:
        self.hosted = weakref.ref(hosted)
        self.idle: asyncio.Event | None = None
        self.guard = self._guard()
        # As far as the yield, so that asyncio knows it: it closes such generators at its end.
        _step(self.guard.asend(None))

    async def _guard(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._farewell()

    async def _farewell(self) -> None:
        hosted = self.hosted()
        loop = hosted.loop() if hosted is not None else None
        if loop is None or loop.idle:
            return
        self.idle = asyncio.Event()
        loop._go_away()
        try:
            await asyncio.wait_for(self.idle.wait(), _loops.FAREWELL)
        except (TimeoutError, asyncio.TimeoutError):
            pass

    def released(self) -> None:
        """Nothing is left."""
        if self.idle is not None:
            self.idle.set()
        else:
            _step(self.guard.aclose())


def _step(awaitable: Any) -> None:
    """Runs what has nothing to wait for."""
    try:
        awaitable.send(None)
    except StopIteration:
        pass


def watch_end(host: object, hosted: _loops.Hosted) -> None:
    """Has `asyncio.run` say goodbye to the peers."""
    if isinstance(host, asyncio.AbstractEventLoop):
        hosted.released = _End(hosted).released


def chain(
    host: asyncio.AbstractEventLoop,
    target: EventTarget,
    handler: object,
    coroutine: Coroutine[Any, Any, object],
) -> None:
    """See `_loops.chain`."""
    task = host.create_task(_after(_tails.get(target), host, target, handler, coroutine))
    task.add_done_callback(functools.partial(_never_begun, target, coroutine))
    _tails[target] = task


def _never_begun(target: EventTarget, coroutine: Coroutine[Any, Any, object], _: object) -> None:
    """A task that is cancelled before its first step never gets to its `finally`."""
    if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        coroutine.close()
        _loops.finished(target)


async def _after(
    previous: asyncio.Task[None] | None,
    host: asyncio.AbstractEventLoop,
    target: EventTarget,
    handler: object,
    coroutine: Coroutine[Any, Any, object],
) -> None:
    try:
        if previous is not None and not previous.done():
            try:
                await asyncio.wait([previous])
            except BaseException:
                coroutine.close()
                raise
        previous = None
        await coroutine
    except Exception as error:
        host.call_exception_handler(_loops.exception_context(target, handler, error))
    finally:
        _loops.finished(target)
