"""Tasks of `async def` handlers, whatever becomes of them."""

import asyncio
import gc

import pytest

from tightwire import AbortController, Event, EventTarget, _loops


class Done(asyncio.Future):
    """What a factory returns for a coroutine that never had to wait."""


def eager(loop, coroutine, **options):
    """As `asyncio.eager_task_factory` of later versions does: the first step is taken at once."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        done = Done(loop=loop)
        done.set_result(stop.value)
        return done
    raise AssertionError("the tests wait for nothing")


def stillborn(loop, coroutine, **options):
    """A task that is cancelled before its first step, as an application that shuts down may do."""
    task = asyncio.Task(coroutine, loop=loop, **options)
    task.cancel()
    return task


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factory", [eager, stillborn])
def test_every_task_is_counted(factory):
    seen, failures = [], []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: failures.append(context))
        target = EventTarget()

        async def handle(event):
            seen.append(event.type)

        target.addEventListener("x", handle)
        loop.set_task_factory(factory)
        for _ in range(40):
            target.dispatchEvent(Event("x"))
        loop.set_task_factory(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return _loops._unfinished[target]

    assert asyncio.run(main()) == 0
    gc.collect()
    assert len(seen) == (40 if factory is eager else 0) and not failures


@pytest.mark.parametrize("awaits", [False, True])
@pytest.mark.parametrize("make", [EventTarget, lambda: AbortController().signal])
def test_what_a_listener_of_no_socket_raises_says_so(make, awaits):
    told = []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context))
        target = make()

        def fail(event):
            raise ZeroDivisionError

        async def fail_later(event):
            raise ZeroDivisionError

        target.addEventListener("x", fail_later if awaits else fail)
        target.dispatchEvent(Event("x"))
        while not told:
            await asyncio.sleep(0)
        return target

    target = asyncio.run(main())
    (context,) = told
    assert context["message"] == f"exception in an event handler of {type(target).__name__}"
    assert context["target"] is target and "websocket" not in context
