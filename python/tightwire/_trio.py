"""Sockets that a trio run drives."""

from __future__ import annotations

import collections
import weakref
from typing import TYPE_CHECKING, Any, Callable, NoReturn

import trio

from . import _loops
from .exceptions import report_unraisable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ._native import BaseLoop, EventTarget

# Seconds between two looks at whether the main task waits for something that can be interrupted.
_LOOK = 0.01

_Waiting = collections.deque[tuple[object, "Coroutine[Any, Any, object]"]]


class TrioHost:
    """A trio run, as what drives a native loop. One for each run."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._scopes: dict[int, trio.CancelScope] = {}
        self._waiting: weakref.WeakKeyDictionary[EventTarget, _Waiting] = weakref.WeakKeyDictionary()

    def is_running(self) -> bool:
        # A loop whose run is over is torn down, so that nobody asks.
        return True

    def add_reader(self, fd: int, callback: Callable[[], object]) -> None:
        scope = self._scopes[fd] = trio.CancelScope()
        host: weakref.ref[TrioHost] = weakref.ref(self)
        trio.lowlevel.spawn_system_task(_drive, fd, scope, host, callback)

    def remove_reader(self, fd: int) -> None:
        self._scopes.pop(fd).cancel()

    def call_soon(self, callback: Callable[[], object]) -> None:
        self._token.run_sync_soon(callback)

    def call_later(self, delay: float, callback: Callable[[], object]) -> None:
        async def wait() -> None:
            await trio.sleep(delay)
            callback()

        trio.lowlevel.spawn_system_task(_quietly, wait)

    def chain(
        self, target: EventTarget, handler: object, coroutine: Coroutine[Any, Any, object]
    ) -> None:
        """See `_loops.chain`."""
        waiting = self._waiting.get(target)
        if waiting is not None:
            waiting.append((handler, coroutine))
            return
        self._waiting[target] = collections.deque([(handler, coroutine)])
        trio.lowlevel.spawn_system_task(self._work, target)

    async def _work(self, target: EventTarget) -> None:
        """Runs what the handlers of a target returned, one after the other."""
        waiting = self._waiting[target]
        try:
            while waiting:
                handler, coroutine = waiting.popleft()
                try:
                    await coroutine
                except Exception as error:
                    report_unraisable(error, handler)
                except (KeyboardInterrupt, SystemExit) as error:
                    _end_run(error)
                finally:
                    _loops.finished(target)
        finally:
            del self._waiting[target]
            # At the end of the run.
            for _, coroutine in waiting:
                coroutine.close()


async def _quietly(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """What a callback raises must not end the run."""
    try:
        await work()
    except Exception as error:
        report_unraisable(error, work)
    except (KeyboardInterrupt, SystemExit) as error:
        _end_run(error)


async def _drive(
    fd: int,
    scope: trio.CancelScope,
    host: weakref.ref[TrioHost],
    turn: Callable[[], object],
) -> None:
    try:
        with scope:
            while True:
                await trio.lowlevel.wait_readable(fd)
                _turn(turn)
    except trio.Cancelled:
        await _farewell(fd, host, turn)
        raise
    except BaseException:
        # The run is lost, and with it whoever could say goodbye; the peers are to see that it ended.
        _, loop = _driven_by(host)
        if loop is not None:
            loop._abandon()
        raise


def _driven_by(host: weakref.ref[TrioHost]) -> tuple[_loops.Hosted | None, BaseLoop | None]:
    hosted = _loops.hosted_by(host())
    return hosted, hosted.loop() if hosted is not None else None


def _turn(turn: Callable[[], object]) -> None:
    try:
        turn()
    except (KeyboardInterrupt, SystemExit) as error:
        _end_run(error)


def _end_run(error: BaseException) -> None:
    """Has the main task raise what a handler raised to end the program, as trio does for Ctrl-C. In a system
    task that would be a fault of trio."""
    trio.lowlevel.spawn_system_task(_raise_in_main, error)


async def _raise_in_main(error: BaseException) -> None:
    raised = False

    def throw() -> NoReturn:
        nonlocal raised
        raised = True
        raise error

    while not raised:
        # Behind the nurseries of trio's own tasks.
        root = trio.lowlevel.current_root_task()
        nurseries = root.child_nurseries if root is not None else []
        if len(nurseries) < 3:
            # It has come to its end already.
            return report_unraisable(error, None)
        for main in nurseries[-1].child_tasks:
            # There is no public way to interrupt a task with anything but a cancellation.
            if main._abort_func is not None:
                main._attempt_abort(throw)
        if not raised:
            await trio.sleep(_LOOK)


async def _farewell(
    fd: int, host: weakref.ref[TrioHost], turn: Callable[[], object]
) -> None:
    """The run ends: says goodbye to the peers."""
    hosted, loop = _driven_by(host)
    if hosted is None or loop is None:
        return
    with trio.move_on_after(_loops.FAREWELL, shield=True) as scope:
        hosted.released = scope.cancel
        loop._go_away()
        while not loop.idle:
            await trio.lowlevel.wait_readable(fd)
            _turn(turn)
    loop._abandon()


_host: trio.lowlevel.RunVar[TrioHost] = trio.lowlevel.RunVar("tightwire")


def running() -> TrioHost | None:
    """The trio run of this thread."""
    if not trio.lowlevel.in_trio_run():
        return None
    try:
        return _host.get()
    except LookupError:
        host = TrioHost()
        _host.set(host)
        return host
