"""Our clients in three languages against servers of other libraries, plain and with TLS."""

import pytest
from programs import talk

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]
WORDS = "Grüße, 世界 🎈"


@pytest.fixture(params=["ws", "wss"])
def at(request, their_server):
    """Where their server is: `at(path)` gives the URL and flags to reach it."""
    base, flags = their_server[request.param]
    return lambda path: (base + path, *flags)


def test_binary_of_every_length_encoding_comes_back(at, client):
    events = talk(client, *at("/echo"), say=[c for n in SIZES for c in (f"binary {n}", "wait message")])
    assert events.messages == [{"event": "binary", "len": n, "pattern": True} for n in SIZES]
    assert (events.close["code"], events.close["clean"]) == (1000, True)
    assert not events.of("error")


def test_text_of_every_length_encoding_comes_back(at, client):
    texts = [WORDS, "", 'quotes " and \\ and \t', *("x" * n for n in SIZES)]
    events = talk(client, *at("/echo"), say=[c for t in texts for c in (f"text {t}", "wait message")])
    assert [e["data"] for e in events.messages] == texts


def test_a_batch_comes_back_in_order(at, client):
    events = talk(client, *at("/echo"), say=[f"text {i}" for i in range(300)] + ["wait message"] * 300)
    assert [e["data"] for e in events.messages] == [str(i) for i in range(300)]


def test_a_fragmented_message_arrives_whole(at, client):
    say = ["text Grüße aus Fragmenten", "wait message", "binary 100000", "wait message"]
    events = talk(client, *at("/fragments"), say=say)
    assert events.messages[0]["data"] == "Grüße aus Fragmenten"
    assert events.messages[1] == {"event": "binary", "len": 100_000, "pattern": True}


def test_a_ping_is_answered(at, client):
    events = talk(client, *at("/ping"), say=["wait message"])
    assert [e["data"] for e in events.messages] == ["pong are you there"]


def test_a_ping_of_ours_gets_its_pong(at, client):
    events = talk(client, *at("/echo"), say=["ping Grüße", "text x", "wait message"], may_reject=["ping"])
    # The browser's interface has neither pings nor pongs.
    assert [e["data"] for e in events.of("pong")] in (["Grüße"], [])
    assert events.close["clean"]


@pytest.mark.parametrize("code, reason", [(1000, "bye"), (1000, ""), (3000, "ü" * 61), (4999, "x" * 123)])
def test_our_close_is_echoed(at, client, code, reason):
    events = talk(client, *at("/echo"), say=[f"close {code} {reason}".rstrip()])
    assert (events.close["code"], events.close["clean"]) == (code, True)
    assert not events.of("error")


def test_our_close_without_code_is_answered_without_one(at, client):
    events = talk(client, *at("/echo"), say=["close"])
    assert (events.close["code"], events.close["clean"]) == (1005, True)


@pytest.mark.parametrize(
    "code, reason", [(1000, "bye"), (1001, "away"), (1011, "ü" * 61), (1012, ""), (1013, ""), (4000, "x" * 123)]
)
def test_their_close_arrives_with_code_and_reason(at, client, code, reason):
    events = talk(client, *at(f"/close?code={code}&reason={reason}"), say=["text x", "wait close"])
    assert events.close == {"event": "close", "code": code, "reason": reason, "clean": True}
    assert not events.of("error")


def test_their_close_without_code_arrives_as_1005(at, client):
    events = talk(client, *at("/close"), say=["text x", "wait close"])
    assert events.close == {"event": "close", "code": 1005, "reason": "", "clean": True}


def test_a_dropped_stream_is_an_error_and_1006(at, client):
    events = talk(client, *at("/drop"), say=["text x", "wait close"])
    assert (events.close["code"], events.close["clean"]) == (1006, False)
    assert events.error["text"]


@pytest.mark.parametrize("offered, chosen", [([], ""), (["superchat"], "superchat"), (["x", "chat", "superchat"], "chat")])
def test_subprotocols_are_offered_and_chosen(at, client, offered, chosen):
    url, *flags = at("/echo")
    events = talk(client, url, *flags, *(f for p in offered for f in ("--protocol", p)))
    if offered and chosen not in offered:
        assert events.error
    assert events.of("open")[0]["protocol"] == chosen


def test_header_fields_are_sent(at, client):
    url, *flags = at("/header")
    events = talk(client, url, *flags, "--header", "X-Test: some value", say=["text x", "wait message"])
    assert [e["data"] for e in events.messages] == ["some value"]


def test_a_refusal_names_the_status(at, client):
    events = talk(client, *at("/refuse"))
    assert not events.of("open")
    assert (events.error["phase"], events.error["code"]) == ("upgrade", 25)
    assert "403" in events.error["text"]
    assert (events.close["code"], events.close["clean"]) == (1006, False)
