"""One way to write an asynchronous test for every host that has a `run` of its own."""

import asyncio
import contextlib

import trio
import uvloop


class Asyncio:
    """asyncio, or what drives its coroutines instead."""

    too_slow = asyncio.TimeoutError
    event = staticmethod(asyncio.Event)
    sleep = staticmethod(asyncio.sleep)

    def __init__(self, run):
        self._run = run
        self.reported = []
        """What handlers raised."""

    def run(self, main, *args):
        return self._run(self._main(main, args))

    async def _main(self, main, args):
        asyncio.get_running_loop().set_exception_handler(self._report)
        return await main(*args)

    def _report(self, loop, context):
        self.reported.append(context["exception"])

    @staticmethod
    async def at_most(seconds, awaitable):
        return await asyncio.wait_for(awaitable, seconds)

    @staticmethod
    async def cancelled(function):
        """Starts `function`, cancels it where it waits, and waits for its end."""
        task = asyncio.ensure_future(function())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    @staticmethod
    async def together(*functions):
        """Runs all of them at once, to their end."""
        await asyncio.gather(*(function() for function in functions))


class Trio:
    """The same in trio, which reports what handlers raise by `sys.unraisablehook`."""

    too_slow = trio.TooSlowError
    event = trio.Event
    sleep = staticmethod(trio.sleep)

    def __init__(self):
        self.reported = []

    def run(self, main, *args):
        return trio.run(main, *args)

    @staticmethod
    async def at_most(seconds, awaitable):
        async def wait():
            return await awaitable

        with trio.fail_after(seconds):
            return await wait()

    @staticmethod
    async def cancelled(function):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(function)
            for _ in range(3):
                await trio.sleep(0)
            nursery.cancel_scope.cancel()
        assert nursery.cancel_scope.cancelled_caught

    @staticmethod
    async def together(*functions):
        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)


def asyncio_run(main):
    return asyncio.run(main, debug=False)


def asyncio_debug(main):
    return asyncio.run(main, debug=True)


def uvloop_run(main):
    return uvloop.run(main, debug=False)


HOSTS = {
    "asyncio": lambda: Asyncio(asyncio_run),
    "asyncio-debug": lambda: Asyncio(asyncio_debug),
    "uvloop": lambda: Asyncio(uvloop_run),
    "trio": Trio,
}
