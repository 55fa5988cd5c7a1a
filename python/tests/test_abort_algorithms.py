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
