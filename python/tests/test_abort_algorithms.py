"""What an abort does before its listeners hear of it, and how long signals live."""

import asyncio
import gc
import socket
import time
import weakref

import pytest

import tightwire
from tightwire import AbortController, AbortSignal, Event, EventTarget, Loop, WebSocket


@pytest.fixture
def silent():
    """A server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"


def test_a_listener_cannot_keep_what_follows_from_being_aborted(silent):
    controller, seen = AbortController(), []

    def onabort(event):
        event.stopImmediatePropagation()
        seen.append(ws.readyState)
        target.dispatchEvent(Event("x"))

    controller.signal.onabort = onabort
    ws, target = WebSocket(silent, signal=controller.signal), EventTarget()
    target.addEventListener("x", seen.append, signal=controller.signal)
    controller.abort()
    assert seen == [WebSocket.CLOSING], "both were done before"
    ws.run()
    assert ws.error is controller.signal.reason


def test_an_event_is_no_abort(silent):
    controller, seen = AbortController(), []
    ws, target = WebSocket(silent, signal=controller.signal), EventTarget()
    target.addEventListener("x", seen.append, signal=controller.signal)
    controller.signal.dispatchEvent(Event("abort"))
    assert ws.readyState == WebSocket.CONNECTING
    target.dispatchEvent(Event("x"))
    assert len(seen) == 1
    controller.abort()
    assert ws.readyState == WebSocket.CLOSING
    ws.run()


def wait_until(moment):
    while time.monotonic() < moment:
        time.sleep(0.001)


def test_a_timeout_outlives_a_loop_with_nothing_to_do(url):
    signal, end = AbortSignal.timeout(20), time.monotonic() + 0.03
    ws = WebSocket(url)
    ws.onopen = lambda event: ws.close()
    tightwire.run()
    wait_until(end)
    # Whatever the next sockets of this thread are, their loop is the one that counts.
    ws = WebSocket(url)
    signal.onabort = lambda event: ws.close()
    tightwire.run()
    assert signal.aborted
    assert not hasattr(tightwire._loops._own, "loop"), "nothing is left to count"


def run_loop(loop, url, signal):
    ws = WebSocket(url, loop=loop, signal=signal)
    loop.run()
    return ws


def dispatch_loop(loop, url, signal):
    ws = WebSocket(url, loop=loop, signal=signal)
    while ws.readyState != ws.CLOSED:
        loop.dispatch()
    return ws


def thread_loop(loop, url, signal):
    loop.start_thread()
    return asyncio.run(closed(loop.call(lambda: WebSocket(url, signal=signal))))


async def closed(ws):
    await ws.closed()
    return ws


@pytest.mark.parametrize("drive", [run_loop, dispatch_loop, thread_loop])
@pytest.mark.parametrize("make", [AbortSignal.timeout, lambda ms: AbortSignal.any([AbortSignal.timeout(ms)])])
def test_the_loop_of_a_socket_counts_the_time(silent, drive, make):
    signal = make(30)
    with Loop() as loop:
        ws = drive(loop, silent, signal)
        assert signal.aborted and ws.error is signal.reason
        assert isinstance(ws.error, tightwire.TimeoutError)


@pytest.mark.parametrize(
    "listen",
    [
        lambda signal, listener: setattr(signal, "onabort", listener),
        lambda signal, listener: signal.addEventListener("abort", listener),
        lambda signal, listener: signal.add_event_listener("abort", listener),
        lambda signal, listener: signal.on("abort")(listener),
    ],
)
def test_what_any_made_lives_while_somebody_listens(listen):
    controller, seen = AbortController(), []
    nested = AbortSignal.any([AbortSignal.any([controller.signal])])
    listen(nested, lambda event: seen.append(event.target.reason))
    gone = weakref.ref(nested)
    del nested
    gc.collect()
    controller.abort("enough")
    assert seen == ["enough"]
    gc.collect()
    assert gone() is None


def test_what_any_made_goes_with_its_last_listener_or_its_source():
    def listener(event):
        pass

    controller = AbortController()
    signal = AbortSignal.any([controller.signal])
    gone = weakref.ref(signal)
    signal.addEventListener("abort", listener)
    signal.removeEventListener("abort", listener)
    signal.onabort = listener
    signal.onabort = None
    signal.addEventListener("other", listener)
    del signal
    gc.collect()
    assert gone() is None
    signal = AbortSignal.any([controller.signal])
    signal.onabort = listener
    gone = weakref.ref(signal)
    del signal, controller
    gc.collect()
    assert gone() is None


def test_dependents_are_aborted_in_their_order():
    controller, seen = AbortController(), []
    made = [AbortSignal.any([controller.signal]) for _ in range(50)]
    for number, signal in enumerate(made):
        signal.onabort = lambda event, number=number: seen.append(number)
    controller.abort()
    assert seen == list(range(50))
