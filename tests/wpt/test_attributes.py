"""Attributes and constants."""

import pytest

import tightwire

WS = "interfaces/WebSocket/"
STATES = {"CONNECTING": 0, "OPEN": 1, "CLOSING": 2, "CLOSED": 3}


def unchangeable(ws, name):
    before = getattr(ws, name)
    with pytest.raises(AttributeError):
        setattr(ws, name, 5)
    with pytest.raises(AttributeError):
        delattr(ws, name)
    assert getattr(ws, name) == before


def check(page, act):
    """With a socket of the class itself, which is closed at once."""

    def begin():
        ws = tightwire.WebSocket(page.base + "/echo", **page.options)
        page.sockets.append(ws)
        try:
            act(ws)
        finally:
            ws.close()

    page.play(begin)


@pytest.mark.wpt(
    {
        **dict.fromkeys([f"{WS}url/00{number}" for number in range(2, 7)], "url"),
        **dict.fromkeys([f"{WS}readyState/00{number}" for number in range(2, 6)], "readyState"),
        **dict.fromkeys(
            [
                f"{WS}bufferedAmount/bufferedAmount-{what}"
                for what in ("defineProperty-getter", "defineProperty-setter", "deleting", "readonly")
            ],
            "bufferedAmount",
        ),
    }
)
def test_an_attribute_can_be_neither_set_nor_deleted(page, given):
    check(page, lambda ws: unchangeable(ws, given))


@pytest.mark.wpt(f"{WS}constants/001", *(f"{WS}constants/00{number}" for number in range(2, 7)))
def test_the_states_have_names_on_the_class_and_on_its_objects(page):
    def act(ws):
        for name, value in STATES.items():
            assert getattr(tightwire.WebSocket, name) == value == getattr(ws, name)
            unchangeable(ws, name)
            with pytest.raises(TypeError):
                setattr(tightwire.WebSocket, name, 5)
            assert getattr(tightwire.WebSocket, name) == value

    check(page, act)


@pytest.mark.wpt(
    {
        f"{WS}readyState/001": ("start", 0),
        f"{WS}readyState/006": ("open", 1),
        f"{WS}readyState/007": ("closing", 2),
        f"{WS}readyState/008": ("close", 3),
    }
)
def test_the_state_in_each_part_of_a_life(page, given):
    when, state = given
    seen = {}

    def begin():
        ws = page.socket()
        seen["start"] = ws.readyState
        ws.onopen = lambda event: (seen.update(open=ws.readyState), ws.close(), seen.update(closing=ws.readyState))
        ws.onclose = lambda event: seen.update(close=ws.readyState)

    page.play(begin)
    assert seen[when] == state
