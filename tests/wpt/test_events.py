"""Events, their handlers and their order."""

import pytest

import tightwire

EVENTS = "interfaces/WebSocket/events/"
KINDS = ("open", "message", "error", "close")
# Bytes of a server: a text message, and a frame with an opcode that means nothing.
TEXT, RESERVED = b"\x81\x04text", b"\x83\x03LOL"


def lived(page, prepare=lambda ws: None):
    """A socket that had each kind of event: `prepare` sees it at first."""

    def begin():
        ws = page.socket("/echo_raw")
        ws.addEventListener("open", lambda event: ws.send(TEXT + RESERVED))
        prepare(ws)
        return ws

    return page.play(begin)


def idle(page, check):
    """A socket that is closed at once, for what can be seen on any."""

    def begin():
        ws = tightwire.WebSocket(page.base + "/echo", **page.options)
        page.sockets.append(ws)
        try:
            check(ws)
        finally:
            ws.close()

    page.play(begin)


@pytest.mark.wpt(f"{EVENTS}001", f"{EVENTS}002")
def test_handlers_are_none_at_first(page):
    seen = []
    idle(page, lambda ws: seen.extend(getattr(ws, f"on{kind}") for kind in KINDS))
    assert seen == [None] * 4


@pytest.mark.wpt(
    {
        "eventhandlers": [None, 0, 5, "x", "", True, [], {}, object()],
        f"{EVENTS}010": ["5"],
        f"{EVENTS}011": [None],
        f"{EVENTS}012": [5],
        f"{EVENTS}014": [object()],
    }
)
def test_what_cannot_be_called_becomes_none(page, given):
    def check(ws):
        for kind in KINDS:
            for value in given:
                setattr(ws, f"on{kind}", print)
                assert getattr(ws, f"on{kind}") is print
                setattr(ws, f"on{kind}", value)
                assert getattr(ws, f"on{kind}") is None

    idle(page, check)


@pytest.mark.wpt(f"{EVENTS}011")
def test_a_handler_that_is_removed_is_not_called(page):
    called = []

    def prepare(ws):
        for kind in KINDS:
            setattr(ws, f"on{kind}", called.append)
            setattr(ws, f"on{kind}", None)

    assert [entry[0] for entry in lived(page, prepare).log] == list(KINDS) and called == []


@pytest.mark.wpt(
    {
        f"{EVENTS}003": lambda: tightwire.Event("message"),
        f"{EVENTS}007": lambda: tightwire.Event("open"),
        f"{EVENTS}008": lambda: tightwire.MessageEvent("message", data="x"),
        f"{EVENTS}009": lambda: tightwire.CloseEvent("close", code=1000),
    }
)
def test_events_of_the_application_go_to_the_handler(page, given):
    called = []

    def check(ws):
        event = given()
        setattr(ws, f"on{event.type}", called.append)
        assert ws.dispatchEvent(event) is True
        assert called == [event] and not event.isTrusted and event.target is ws
        setattr(ws, f"on{event.type}", None)

    idle(page, check)


@pytest.mark.wpt(f"{EVENTS}015")
def test_a_reserved_opcode_behind_a_message_fails_the_connection(page):
    states = []

    def prepare(ws):
        ws.onmessage = ws.onerror = ws.onclose = lambda event: states.append((event.type, ws.readyState))

    ws = lived(page, prepare)
    assert ws.log == [("open", 1), ("message", "text"), ("error", 3), ("close", 1006, "", False)]
    assert states == [("message", 1), ("error", 3), ("close", 3)]


@pytest.mark.wpt(f"{EVENTS}016")
def test_the_handler_has_the_place_in_which_it_was_set_first(page):
    def prepare(ws):
        for kind in KINDS:
            note = [lambda event, at=at: ws.log.append(at) for at in range(5)]
            ws.addEventListener(kind, note[0])
            setattr(ws, f"on{kind}", note[1])
            ws.addEventListener(kind, note[2])
            setattr(ws, f"on{kind}", note[3])
            ws.addEventListener(kind, note[4])

    log = [entry for entry in lived(page, prepare).log if isinstance(entry, int)]
    assert log == [0, 3, 2, 4] * 4


@pytest.mark.wpt(f"{EVENTS}016")
def test_a_handler_that_was_removed_has_lost_its_place(page):
    def prepare(ws):
        ws.onopen = lambda event: ws.log.append("handler")
        ws.addEventListener("open", lambda event: ws.log.append("listener"))
        ws.onopen = None
        ws.onopen = lambda event: ws.log.append("again")

    assert [entry for entry in lived(page, prepare).log if isinstance(entry, str)] == ["listener", "again"]


@pytest.mark.wpt(f"{EVENTS}017")
def test_an_event_knows_its_socket_while_it_is_dispatched(page):
    seen, events = [], []

    def note(event):
        events.append(event)
        seen.append((event.type, event.target, event.currentTarget, event.eventPhase))

    def prepare(ws):
        for kind in KINDS:
            setattr(ws, f"on{kind}", note)
            ws.addEventListener(kind, note)

    ws = lived(page, prepare)
    assert seen == [(kind, ws, ws, 2) for kind in KINDS for _ in range(2)]
    assert all((event.target, event.currentTarget, event.eventPhase) == (ws, None, 0) for event in events)


@pytest.mark.wpt(f"{EVENTS}018")
def test_events_have_their_classes_and_cannot_be_prevented(page):
    events = {}

    def prepare(ws):
        for kind in KINDS:
            setattr(ws, f"on{kind}", lambda event: (event.preventDefault(), events.setdefault(event.type, event)))

    lived(page, prepare)
    classes = {"open": tightwire.Event, "message": tightwire.MessageEvent, "close": tightwire.CloseEvent}
    assert {kind: type(events[kind]) for kind in classes} == classes
    for event in events.values():
        assert isinstance(event, tightwire.Event) and event.isTrusted
        assert not event.bubbles and not event.cancelable and not event.defaultPrevented
    assert issubclass(tightwire.WebSocket, tightwire.EventTarget)


@pytest.mark.wpt(f"{EVENTS}019")
def test_a_listener_that_is_removed_is_not_called(page):
    called = []

    def prepare(ws):
        for kind in KINDS:
            ws.addEventListener(kind, called.append)
            ws.removeEventListener(kind, called.append)

    assert [entry[0] for entry in lived(page, prepare).log] == list(KINDS) and called == []


@pytest.mark.wpt(f"{EVENTS}020")
def test_the_error_event_comes_once_and_before_close(page):
    def begin():
        ws = page.socket("/invalid")
        ws.onerror = lambda event: ws.log.append((type(event), event.bubbles, event.cancelable))
        return ws

    ws = page.play(begin)
    assert ws.log == [("error", 3), (tightwire.ErrorEvent, False, False), ("close", 1006, "", False)]


@pytest.mark.wpt("interfaces/CloseEvent/constructor")
def test_a_close_event_is_empty_but_for_what_it_is_given():
    empty = tightwire.CloseEvent("foo")
    assert (empty.type, empty.wasClean, empty.code, empty.reason) == ("foo", False, 0, "")
    full = tightwire.CloseEvent("foo", wasClean=True, code=7, reason="x")
    assert (full.wasClean, full.code, full.reason) == (True, 7, "x")
    assert isinstance(full, tightwire.Event)


@pytest.mark.wpt("interfaces/CloseEvent/historical")
def test_a_close_event_has_no_method_to_fill_it_later():
    assert not hasattr(tightwire.CloseEvent, "initCloseEvent")
