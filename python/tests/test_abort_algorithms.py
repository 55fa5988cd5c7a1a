"""What an abort does before its listeners hear of it, and how long signals live."""

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
