"""AbortController and AbortSignal, and what they end."""

import builtins
import gc
import socket
import weakref

import pytest

import tightwire
from tightwire import AbortController, AbortError, AbortSignal, WebSocket


def test_a_signal_is_aborted_once():
    controller, seen = AbortController(), []
    signal = controller.signal
    assert signal is controller.signal and not signal.aborted and signal.reason is None
    signal.throwIfAborted()
    signal.onabort = lambda event: seen.append((event.type, event.target is signal, event.isTrusted))
    signal.addEventListener("abort", lambda event: seen.append(signal.reason))
    controller.abort("enough")
    controller.abort("more")
    assert seen == [("abort", True, True), "enough"]
    assert signal.aborted and signal.reason == "enough"
    with pytest.raises(AbortError, match="enough"):
        signal.throwIfAborted()


def test_the_reason_is_an_abort_error_unless_told():
    controller = AbortController()
    controller.abort()
    assert isinstance(controller.signal.reason, AbortError)
    assert (controller.signal.reason.name, controller.signal.reason.code) == ("AbortError", 20)
    signal = AbortSignal.abort(KeyError("k"))
    with pytest.raises(KeyError):
        signal.throwIfAborted()
    assert AbortSignal.abort().aborted
    with pytest.raises(TypeError):
        AbortSignal()


def test_onabort_is_an_event_handler_attribute():
    signal, seen = AbortController().signal, []
    assert signal.onabort is None
    signal.onabort = handler = seen.append
    assert signal.onabort == handler
    signal.onabort = 5
    assert signal.onabort is None


def test_any_follows_the_first():
    one, two, seen = AbortController(), AbortController(), []
    either = AbortSignal.any([one.signal, two.signal])
    nested = AbortSignal.any([either, AbortController().signal])
    nested.onabort = lambda event: seen.append((either.aborted, nested.reason))
    two.abort("two")
    one.abort("one")
    assert seen == [(True, "two")] and either.reason == nested.reason == "two"
    assert AbortSignal.any([AbortSignal.abort("early"), one.signal]).reason == "early"
    assert not AbortSignal.any([]).aborted
    with pytest.raises(TypeError, match="AbortSignal expected, not int"):
        AbortSignal.any([1])


def test_a_source_does_not_keep_what_any_made_of_it():
    controller = AbortController()
    gone = weakref.ref(AbortSignal.any([controller.signal]))
    gc.collect()
    assert gone() is None


def test_timeout(play, url):
    fired = []

    def setup():
        signal = AbortSignal.timeout(1)
        ws = WebSocket(url)

        def late(event):
            fired.append(signal.reason)
            ws.close()

        signal.onabort = late

    play(setup)
    (reason,) = fired
    assert isinstance(reason, tightwire.TimeoutError) and isinstance(reason, builtins.TimeoutError)
    assert (reason.name, reason.code) == ("TimeoutError", 23)
    with pytest.raises(ValueError):
        AbortSignal.timeout(-1)


@pytest.fixture
def silent():
    """A server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"


def test_an_abort_ends_the_handshake(play, silent, log):
    controller = AbortController()

    def setup():
        ws = log.watch(WebSocket(silent, signal=controller.signal))
        controller.abort()
        assert ws.readyState == WebSocket.CLOSING
        return ws

    ws = play(setup)
    assert log == [("error", 3), ("close", 3, 1006, "", False)]
    assert ws.error is controller.signal.reason and ws.close_event.error is ws.error


def test_an_abort_after_the_handshake_does_nothing(play, url, log):
    controller = AbortController()

    def setup():
        ws = log.watch(WebSocket(url, signal=controller.signal))

        def opened(event):
            controller.abort()
            ws.send("still there")

        ws.onopen = opened
        ws.onmessage = lambda event: ws.close()
        return ws

    assert play(setup).error is None
    assert log.kinds == ["open", "message", "close"]


def test_an_aborted_signal_makes_no_socket(url):
    with pytest.raises(KeyError):
        WebSocket(url, signal=AbortSignal.abort(KeyError()))
    with pytest.raises(TypeError, match="AbortSignal expected, not str"):
        WebSocket(url, signal="x")


def test_a_signal_keeps_no_socket(play, url):
    controller = AbortController()

    def setup():
        ws = WebSocket(url, signal=controller.signal)
        ws.onopen = lambda event: ws.close()
        return weakref.ref(ws)

    gone = play(setup)
    gc.collect()
    assert gone() is None
    controller.abort()
