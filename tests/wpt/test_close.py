"""Closing, by either side."""

import math
import threading
import time

import pytest
from conftest import DRIVERS, Page

import tightwire

FAILED = [("error", 3), ("close", 1006, "", False)]
DONE = [("open", 1), ("close", 1000, "", True)]
CLOSE = "interfaces/WebSocket/close/"


def closing_with(page, *arguments, path="/echo"):
    def begin():
        ws = page.socket(path)
        ws.onopen = lambda event: ws.close(*arguments)
        return ws

    return page.play(begin)


@pytest.mark.wpt(
    {
        "Close-1000": ((1000,), (1000, "")),
        "Close-1000-reason": ((1000, "Clean Close"), (1000, "Clean Close")),
        "Close-1000-verify-code": ((1000, "Clean Close"), (1000, "Clean Close")),
        "Close-3000-reason": ((3000, "Clean Close with code - 3000"), (3000, "Clean Close with code - 3000")),
        "Close-3000-verify-code": ((3000, ""), (3000, "")),
        "Close-4999-reason": ((4999, "Clean Close with code - 4999"), (4999, "Clean Close with code - 4999")),
        "Close-1005-verify-code": ((), (1005, "")),
        "closing-handshake/003": ((), (1005, "")),
        "Close-undefined": ((None,), (1005, "")),
        "Close-reason-unpaired-surrogates": ((1000, "a\ud807b"), (1000, "a\ufffdb")),
        "interfaces/CloseEvent/clean-close": ((1000,), (1000, "")),
    }
)
def test_code_and_reason_come_back(page, given):
    arguments, (code, reason) = given
    assert closing_with(page, *arguments).log == [("open", 1), ("close", code, reason, True)]


@pytest.mark.wpt(
    {
        "close-invalid": [
            *((tightwire.InvalidAccessError, code) for code in (0, 500, 999, 1001, 1006, 2999, 5000, 66536, -1, 2**70)),
            *((TypeError, code) for code in (math.nan, "string", 1000.0)),
        ],
        "Close-1005": [(tightwire.InvalidAccessError, 1005), (tightwire.InvalidAccessError, 1005, "reason")],
        "Close-2999-reason": [(tightwire.InvalidAccessError, 2999, "Close not in range 3000-4999")],
        "Close-onlyReason": [(TypeError, "Close with only reason")],
        "Close-Reason-124Bytes": [(tightwire.SyntaxError, 1000, reason) for reason in ("x" * 124, "å" * 62, "\ud807" * 42)],
    }
)
def test_a_close_that_is_not_legal_raises_and_closes_nothing(page, given):
    def attempt(ws):
        for error, *arguments in given:
            state = ws.readyState
            with pytest.raises(error):
                ws.close(*arguments)
            assert ws.readyState == state

    def begin():
        ws = page.socket()
        attempt(ws)
        ws.onopen = lambda event: (attempt(ws), ws.send("still open"))
        ws.onmessage = lambda event: (attempt(ws), ws.close(1000), attempt(ws))
        ws.onclose = lambda event: attempt(ws)
        return ws

    assert page.play(begin).log == [("open", 1), ("message", "still open"), ("close", 1000, "", True)]


@pytest.mark.wpt("Close-Reason-124Bytes")
def test_a_reason_of_123_bytes_is_legal(page):
    assert closing_with(page, 1000, "å" * 61 + "x").log[-1] == ("close", 1000, "å" * 61 + "x", True)


@pytest.mark.wpt("Close-readyState-Closing", "Close-readyState-Closed", "Create-valid-url")
def test_the_state_is_closing_behind_close_and_closed_in_its_event(page):
    seen = []

    def begin():
        ws = page.socket()
        seen.append(ws.readyState)
        ws.onopen = lambda event: (seen.append(ws.readyState), ws.close(), seen.append(ws.readyState))
        ws.onclose = lambda event: seen.append(ws.readyState)
        return ws

    ws = page.play(begin)
    assert seen == [0, 1, 2, 3] and ws.readyState == 3


@pytest.mark.wpt("Close-delayed")
def test_the_close_event_waits_for_the_answer(page):
    times = []

    def begin():
        ws = page.socket("/delayed_passive_close")
        ws.onopen = lambda event: (times.append(time.monotonic()), ws.close(1000), ws.log.append(ws.readyState))
        ws.onclose = lambda event: times.append(time.monotonic())
        return ws

    assert page.play(begin).log == [("open", 1), 2, ("close", 1000, "", True)]
    # The server takes a second, by another clock.
    assert times[1] - times[0] > 0.99


@pytest.mark.wpt(
    {
        "Close-server-initiated-close": ("/remote_close", 1005, ""),
        "closing-handshake/002": ("/remote_close?code=1001&reason=bye", 1001, "bye"),
    }
)
def test_the_server_closes(page, given):
    path, *end = given
    assert page.play(lambda: page.socket(path)).log == [("open", 1), ("close", *end, True)]


@pytest.mark.wpt("Close-server-initiated-close")
def test_the_server_closes_when_it_is_told_to(page):
    def begin():
        ws = page.socket("/echo_exit")
        ws.onopen = lambda event: ws.send("Goodbye")
        return ws

    assert page.play(begin).log == [("open", 1), ("message", "Goodbye"), ("close", 1000, "", True)]


@pytest.mark.wpt("closing-handshake/004")
def test_data_behind_the_close_of_the_server_is_ignored(page):
    log = page.play(lambda: page.socket("/data_after_close")).log
    assert log == [("open", 1), ("message", "before"), ("close", 1000, "", True)]


@pytest.mark.wpt(f"{CLOSE}close-basic")
def test_close_comes_once_and_not_within_the_call(page):
    def begin():
        ws = page.socket()
        ws.onopen = lambda event: (ws.close(1000), ws.log.append("returned"))
        return ws

    assert page.play(begin).log == [("open", 1), "returned", ("close", 1000, "", True)]


@pytest.mark.wpt(f"{CLOSE}close-connecting")
def test_closing_at_once_fails_the_connection_later(page):
    def begin():
        ws = page.socket()
        ws.close()
        assert ws.readyState == 2 and ws.log == []
        return ws

    ws = page.play(begin)
    assert ws.log == FAILED and ws.readyState == 3


@pytest.mark.wpt(f"{CLOSE}close-connecting-async")
def test_closing_while_the_server_hesitates_fails_the_connection_later(page):
    def begin():
        ws, other = page.socket("/handshake_sleep"), page.socket()

        def end(event):
            assert ws.readyState == 0
            ws.close()
            assert ws.readyState == 2 and ws.log == []
            other.close()

        # It is open long before the server answers the first one.
        other.onopen = end
        return ws

    assert page.play(begin).log == FAILED


@pytest.mark.wpt(f"{CLOSE}close-multiple")
def test_closing_often_is_closing_once(page):
    def begin():
        ws = page.socket()
        ws.onopen = lambda event: [ws.close(1000) for _ in range(3)]
        return ws

    assert page.play(begin).log == DONE


@pytest.mark.wpt(f"{CLOSE}close-multiple")
def test_only_the_first_code_counts(page):
    def begin():
        ws = page.socket()
        ws.onopen = lambda event: (ws.close(1000), ws.close(3000, "second"))
        return ws

    assert page.play(begin).log == DONE


@pytest.mark.wpt(f"{CLOSE}close-nested")
def test_closing_in_the_close_event_does_nothing(page):
    def begin():
        ws = page.socket()
        ws.onopen = lambda event: ws.close(1000)
        ws.onclose = lambda event: (ws.close(1000), ws.close(3000))
        return ws

    assert page.play(begin).log == DONE


@pytest.mark.wpt(f"{CLOSE}close-return")
def test_close_returns_none(page):
    returned = []

    def begin():
        ws = page.socket()
        ws.onopen = lambda event: returned.extend([ws.close(1000), ws.close()])
        ws.onclose = lambda event: returned.append(ws.close())
        return ws

    page.play(begin)
    assert returned == [None, None, None]


@pytest.mark.wpt(f"{CLOSE}close-replace")
def test_an_object_may_have_a_close_of_its_own(page):
    def begin():
        ws = page.socket()
        ws.close = 5
        assert ws.close == 5
        ws.onopen = lambda event: type(ws).close(ws, 1000)
        return ws

    assert page.play(begin).log == DONE


@pytest.mark.wpt("spec text: messages after close()")
def test_messages_behind_close_are_dropped(page):
    def begin():
        ws = page.socket()
        ws.onopen = lambda event: (ws.send("one"), ws.send("two"))
        ws.onmessage = lambda event: ws.close(1000)
        return ws

    assert page.play(begin).log == [("open", 1), ("message", "one"), ("close", 1000, "", True)]


@pytest.mark.wpt(
    {
        "spec text: an end without a Close frame": ("/passive_close_abort", lambda ws: ws.close(1000)),
        "spec text: an end of the connection alone": ("/remote_close?abrupt=1", lambda ws: None),
    }
)
def test_an_end_without_a_close_frame_is_not_clean(page, given):
    path, act = given

    def begin():
        ws = page.socket(path)
        ws.onopen = lambda event: act(ws)
        return ws

    log = page.play(begin).log
    assert log[0] == ("open", 1) and log[-1] == ("close", 1006, "", False)


@pytest.mark.wpt("spec text: the state behind a Close")
def test_a_close_that_came_is_seen_before_its_event(page):
    seen = []

    def begin():
        ws, other = page.socket("/late_end"), page.socket()

        def look(event):
            """Between any two turns of the loop, since another connection never rests."""
            if ws.log and ws.log[-1][0] == "close":
                return other.close()
            if seen[-1:] != [ws.readyState]:
                seen.append(ws.readyState)
            return other.send("and now?")

        other.onopen = other.onmessage = look
        return ws

    assert page.play(begin).log == DONE
    assert seen[-1] == 2 and 3 not in seen


@pytest.mark.wpt("keeping-connection-open/001")
def test_after_twenty_silent_seconds_it_still_works(servers, record_property):
    """With both schemes and on every loop at once, for the time that it takes."""
    record_property("schemes", list(servers))
    closed = []

    def idle(page):
        def begin():
            ws = page.socket()
            ws.onopen = lambda event: threading.Timer(20, ws.send, ["test"]).start()
            ws.onmessage = lambda event: ws.close(1000)
            ws.onclose = lambda event: closed.append((page.scheme, ws.log))

        page.drive(begin, page)

    pages = [Page(scheme, server, drive) for scheme, server in servers.items() for drive in DRIVERS.values()]
    threads = [threading.Thread(target=idle, args=[page], daemon=True) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(scheme for scheme, _ in closed) == sorted(page.scheme for page in pages)
    assert [log for _, log in closed] == [[DONE[0], ("message", "test"), DONE[1]]] * len(pages)
