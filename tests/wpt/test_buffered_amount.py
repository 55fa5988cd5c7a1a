"""bufferedAmount: payload that was sent and has not left."""

import pytest
from websockets.sync.client import connect

import tightwire

NAMES = "interfaces/WebSocket/bufferedAmount/bufferedAmount-"


@pytest.mark.wpt(
    {
        f"{NAMES}getting": ("x", 1),
        f"{NAMES}unicode": ("å¥日\U0001f30d", 11),
        f"{NAMES}arraybuffer": (lambda: tightwire.ArrayBuffer(10), 10),
        f"{NAMES}blob": (lambda: tightwire.Blob([b"x" * 10]), 10),
        f"{NAMES}large": ("a" * 1_000_000, 1_000_000),
        "Send-data": ("Message to send", 15),
        "Send-paired-surrogates": ("\U0001d11e", 4),
        "Send-unpaired-surrogates": ("\ud807", 3),
    }
)
def test_it_grows_within_send_and_is_zero_when_all_came_back(page, given):
    data, size = given
    data, seen = data() if callable(data) else data, []

    def open_(event):
        ws = event.target
        for _ in range(5):
            ws.send(data)
            seen.append(ws.bufferedAmount)
        # However long the handler takes, nothing happens beside it.
        assert ws.bufferedAmount == 5 * size

    def message(event):
        ws = event.target
        if len(ws.messages) == 5:
            seen.append(ws.bufferedAmount)
            ws.close(1000)

    def begin():
        ws = page.socket()
        ws.onopen, ws.onmessage = open_, message
        return ws

    assert page.play(begin).log[-1] == ("close", 1000, "", True)
    assert seen == [size, 2 * size, 3 * size, 4 * size, 5 * size, 0]


@pytest.mark.wpt(f"{NAMES}initial")
def test_it_is_zero_at_first(page):
    def begin():
        ws = page.socket()
        assert ws.bufferedAmount == 0
        ws.onopen = lambda event: (ws.log.append(ws.bufferedAmount), ws.close())
        return ws

    assert page.play(begin).log[:2] == [("open", 1), 0]


@pytest.mark.wpt("bufferedAmount-unchanged-by-sync-xhr")
def test_it_does_not_shrink_while_a_handler_waits_for_something_else(page):
    """The server has all of it long before the handler ends: another connection, made within it, says so."""

    def open_(event):
        ws = event.target
        ws.send("x" * 1000)
        # It blocks, as a synchronous request does.
        with connect(page.base + "/echo", ssl=page.context, proxy=None) as other:
            other.send("are you there?")
            assert other.recv() == "are you there?"
        assert ws.bufferedAmount == 1000
        ws.close(1000)

    def begin():
        ws = page.socket()
        ws.onopen = open_
        return ws

    ws = page.play(begin)
    assert [entry[0] for entry in ws.log] == ["open", "close"] and ws.bufferedAmount == 0


@pytest.mark.wpt("spec text: bufferedAmount after closing")
def test_after_closing_it_grows_with_each_send_and_is_never_reset(page):
    def begin():
        ws = page.socket()
        ws.onopen = lambda event: (ws.close(1000), ws.send("x" * 10), ws.log.append(ws.bufferedAmount))
        ws.onclose = lambda event: (ws.log.append(ws.bufferedAmount), ws.send(b"12345"), ws.log.append(ws.bufferedAmount))
        return ws

    ws = page.play(begin)
    # The events' own entries aside.
    assert [entry for entry in ws.log if isinstance(entry, int)] == [10, 10, 15] and ws.bufferedAmount == 15
