"""Which event comes when, and in what state."""

import gc

import pytest
from conftest import accept_upgrade, raw_server, read_head, running_server, wait_for_end

import tightwire
from tightwire import WebSocket


def test_a_whole_life(play, url, log):
    def setup():
        ws = log.watch(WebSocket(url))
        assert (ws.readyState, ws.protocol, ws.extensions, ws.bufferedAmount) == (0, "", "", 0)
        ws.onopen = lambda event: ws.send("hello")
        ws.onmessage = lambda event: (ws.close(3001, "enough"), log.append(("state", ws.readyState)))
        return ws

    ws = play(setup)
    assert log == [
        ("open", 1), ("message", 1, "hello"), ("state", 2), ("close", 3, 3001, "enough", True),
    ]
    assert ws.readyState == ws.CLOSED and ws.error is None and ws.url == url


def test_the_peer_closes(play, log):
    def greet(ws):
        ws.send("last words")
        ws.close(4000, "over")

    with running_server(greet) as server:
        play(lambda: log.watch(WebSocket(f"ws://localhost:{server.port}")))
    assert log == [("open", 1), ("message", 1, "last words"), ("close", 3, 4000, "over", True)]


def test_close_without_a_code(play, url, log):
    def setup():
        ws = log.watch(WebSocket(url))
        ws.onopen = lambda event: ws.close()

    play(setup)
    assert log[-1] == ("close", 3, 1005, "", True)


def test_a_reason_alone_means_1000(play, url, log):
    def setup():
        ws = log.watch(WebSocket(url))
        ws.onopen = lambda event: ws.close(reason="bye")

    play(setup)
    assert log[-1] == ("close", 3, 1000, "bye", True)


def test_close_while_connecting(play, url, log):
    def setup():
        ws = log.watch(WebSocket(url))
        ws.close()
        assert ws.readyState == ws.CLOSING and log == []
        return ws

    ws = play(setup)
    assert log == [("error", 3), ("close", 3, 1006, "", False)]
    assert isinstance(ws.error, tightwire.ConnectError)


def test_refused(play, log):
    def setup():
        return log.watch(WebSocket("ws://127.0.0.1:1/"))

    ws = play(setup)
    assert log == [("error", 3), ("close", 3, 1006, "", False)]
    assert isinstance(ws.error, ConnectionError) and ws.error.phase == "tcp" and ws.error.errno


def test_an_unknown_name(play, log):
    ws = play(lambda: log.watch(WebSocket("ws://no-such-host.invalid/")))
    assert log.kinds == ["error", "close"]
    assert isinstance(ws.error, tightwire.DNSError) and ws.error.phase == "dns"


def test_an_http_answer(play, log):
    def refuse(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 4\r\n\r\nno!\n")

    with raw_server(refuse) as url:
        ws = play(lambda: log.watch(WebSocket(url)))
    assert log.kinds == ["error", "close"]
    assert isinstance(ws.error, tightwire.InvalidStatus)
    response = ws.error.response
    assert (response.status, response.body) == (403, b"no!\n")
    assert ("X-Why", "because") in response.headers
    assert ws.error.phase == "upgrade" and "403" in str(ws.error)


def test_garbage_instead_of_http(play, log):
    with raw_server(lambda connection: connection.sendall(b"220 mail ready\r\n\r\n")) as url:
        ws = play(lambda: log.watch(WebSocket(url)))
    assert log.kinds == ["error", "close"] and isinstance(ws.error, tightwire.InvalidHandshake)


def test_the_handshake_times_out(play, log):
    with raw_server(wait_for_end) as url:
        ws = play(lambda: log.watch(WebSocket(url, timeout=0.05)))
    assert log == [("error", 3), ("close", 3, 1006, "", False)]
    assert isinstance(ws.error, TimeoutError) and ws.error.phase == "upgrade"


def test_close_in_the_same_segment_as_101(play, log):
    def script(connection):
        accept_upgrade(connection, b"\x88\x06" + (1001).to_bytes(2, "big") + b"PASS")
        # The answer, after which a server ends the stream.
        connection.recv(100)

    def setup(url):
        ws = log.watch(WebSocket(url))
        ws.onopen = lambda event: ws.close()

    with raw_server(script) as url:
        play(lambda: setup(url))
    assert log == [("open", 1), ("close", 3, 1001, "PASS", True)]


def test_a_message_before_a_violation_is_delivered(play, log):
    def script(connection):
        accept_upgrade(connection, b"\x81\x02hi\x83\x00\x81\x04never")
        wait_for_end(connection)

    with raw_server(script) as url:
        ws = play(lambda: log.watch(WebSocket(url)))
    assert log == [
        ("open", 1), ("message", 1, "hi"), ("error", 3), ("close", 3, 1006, "", False),
    ]
    assert isinstance(ws.error, tightwire.ProtocolError) and ws.error.phase == "protocol"


def test_text_that_is_not_utf8(play, log):
    def script(connection):
        accept_upgrade(connection, b"\x81\x01\xff")
        wait_for_end(connection)

    with raw_server(script) as url:
        ws = play(lambda: log.watch(WebSocket(url)))
    assert isinstance(ws.error, tightwire.InvalidUTF8)


def test_the_stream_ends_without_close(play, log):
    with raw_server(accept_upgrade) as url:
        ws = play(lambda: log.watch(WebSocket(url)))
    assert log == [("open", 1), ("error", 3), ("close", 3, 1006, "", False)]
    assert isinstance(ws.error, tightwire.ConnectionClosedError)


def test_no_message_after_close(play, log):
    def script(connection):
        accept_upgrade(connection, b"\x81\x01a\x81\x01b\x81\x01c")
        wait_for_end(connection)

    def setup(url):
        ws = log.watch(WebSocket(url, close_timeout=0.05))
        ws.addEventListener("message", lambda event: ws.close())

    with raw_server(script) as url:
        play(lambda: setup(url))
    assert log.kinds == ["open", "message", "error", "close"]
    assert log[1] == ("message", 1, "a")


def test_listeners_run_in_order_and_attributes_keep_their_place(play, url):
    calls = []

    def setup():
        ws = WebSocket(url)
        ws.addEventListener("open", lambda event: calls.append(1))
        ws.onopen = lambda event: calls.append("replaced")
        ws.addEventListener("open", lambda event: calls.append(3))
        ws.onopen = lambda event: calls.append(2)
        ws.addEventListener("open", lambda event: ws.close())

    play(setup)
    assert calls == [1, 2, 3]


def test_attributes_take_callables_only(server, play, url):
    def setup():
        ws = WebSocket(url)
        for name in ("onopen", "onmessage", "onerror", "onclose"):
            assert getattr(ws, name) is None
            for wrong in (1, "text", object()):
                setattr(ws, name, print)
                setattr(ws, name, wrong)
                assert getattr(ws, name) is None
            setattr(ws, name, print)
            assert getattr(ws, name) is print
            setattr(ws, name, None)
            assert getattr(ws, name) is None
        ws.close()

    play(setup)


class Counter:
    def __init__(self):
        self.count = 0

    def hit(self, event):
        self.count += 1


def fresh():
    ws = WebSocket("ws://127.0.0.1:1/")
    ws.close()
    return ws


def test_listeners_are_a_set():
    ws, counter = fresh(), Counter()
    ws.addEventListener("x", counter.hit)
    ws.addEventListener("x", counter.hit)  # equal, though not the same object
    ws.addEventListener("x", counter.hit, True)
    assert ws.dispatchEvent(tightwire.Event("x")) and counter.count == 2
    ws.removeEventListener("x", counter.hit)
    ws.dispatchEvent(tightwire.Event("x"))
    assert counter.count == 3
    ws.removeEventListener("x", counter.hit, capture=True)
    ws.removeEventListener("x", counter.hit)
    ws.dispatchEvent(tightwire.Event("x"))
    assert counter.count == 3


@pytest.mark.parametrize("options", [({"once": True},), ()])
def test_once(options):
    ws, counter = fresh(), Counter()
    ws.addEventListener("x", counter.hit, *options, **({} if options else {"once": True}))
    for _ in range(3):
        ws.dispatchEvent(tightwire.Event("x"))
    assert counter.count == 1


def test_changes_during_a_dispatch():
    ws, calls = fresh(), []

    def second(event):
        calls.append("second")

    def first(event):
        calls.append("first")
        ws.removeEventListener("x", second)
        ws.addEventListener("x", lambda event: calls.append("later"))

    ws.addEventListener("x", first)
    ws.addEventListener("x", second)
    ws.dispatchEvent(tightwire.Event("x"))
    assert calls == ["first"]


def test_dispatched_events():
    ws, seen = fresh(), []

    def note(event):
        seen.append((event.target is ws, event.currentTarget is ws, event.eventPhase))
        event.preventDefault()

    event = tightwire.Event("message", cancelable=True)
    ws.onmessage = note
    assert ws.dispatchEvent(event) is False
    assert seen == [(True, True, 2)]
    assert event.target is ws and event.currentTarget is None and event.eventPhase == 0
    assert event.defaultPrevented and not event.bubbles and not event.isTrusted

    def again(event):
        with pytest.raises(tightwire.InvalidStateError):
            ws.dispatchEvent(event)
        event.stopImmediatePropagation()
        seen.append("again")

    ws.addEventListener("y", again)
    ws.addEventListener("y", lambda event: seen.append("never"))
    ws.dispatchEvent(tightwire.Event("y"))
    assert seen[1:] == ["again"]


def test_event_classes():
    message = tightwire.MessageEvent("message", data="x" * 200, origin="ws://h")
    assert (message.type, message.origin, message.lastEventId) == ("message", "ws://h", "")
    assert message.source is None and message.ports == () and len(repr(message)) < 120
    close = tightwire.CloseEvent("close")
    assert (close.wasClean, close.code, close.reason, close.error) == (False, 0, "", None)
    assert isinstance(close, tightwire.Event) and tightwire.ErrorEvent("error").message == ""
    match message:
        case tightwire.MessageEvent(data=str(data)):
            assert data == "x" * 200
        case _:
            raise AssertionError
    assert not gc.is_tracked(1)


def test_fired_events_are_trusted_and_have_an_origin(play, url):
    events = []

    def setup():
        ws = WebSocket(url.replace("ws://", "ws://user:secret@") + "path?query")
        ws.onopen = lambda event: (events.append(event), ws.send(b"x"))
        ws.onmessage = lambda event: (events.append(event), ws.close())
        assert "secret" not in repr(ws)

    play(setup)
    opened, message = events
    assert opened.isTrusted and message.origin == url.rstrip("/")
    assert message.data == b"x" and message.target.readyState == 3
