"""permessage-deflate between our programs and `websockets` and npm `ws`, in both roles."""

import json

import peers
import programs
import pytest
from programs import talk

MODES = ["shared", "dedicated", "parked"]
WORDS = " ".join(f"somebody {n % 7} said something {n % 11}, and again." for n in range(40))
SAY = [
    "text", "wait message", "text x", "wait message", f"text {WORDS}", "wait message", f"text Grüße, 世界 🎈 {WORDS}",
    "wait message", "binary 0", "wait message", "binary 1", "wait message", "binary 300", "wait message",
    "binary 70000", "wait message", "binary 1048576", "wait message", f"text {WORDS}", "wait message",
    "binary 300", "wait message",
]  # fmt: skip
SAID = [
    {"event": "text", "data": ""},
    {"event": "text", "data": "x"},
    {"event": "text", "data": WORDS},
    {"event": "text", "data": f"Grüße, 世界 🎈 {WORDS}"},
    *({"event": "binary", "len": n, "pattern": True} for n in (0, 1, 300, 70000, 1048576)),
    {"event": "text", "data": WORDS},
    {"event": "binary", "len": 300, "pattern": True},
]
# What a client offers; `True` is an offer without a number.
OFFERS = [
    {},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
    {"client_max_window_bits": True},
    *({"server_max_window_bits": bits} for bits in range(9, 16)),
    *({"client_max_window_bits": bits} for bits in range(9, 16)),
]
# What a server insists on.
ANSWERS = [
    {},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
    *({"server_max_window_bits": bits, "client_max_window_bits": bits} for bits in (9, 10, 12, 15)),
]


@pytest.fixture(scope="module", params=[(name, mode) for name in programs.SERVERS for mode in MODES], ids="-".join)
def our_compressing_server(request, certificates):
    name, mode = request.param
    flags = ["--port", "0", "--deflate-mode", mode, "--deflate-threshold", "0"]
    server = programs.Program([*programs.SERVERS[name], *flags])
    yield mode, f"ws://localhost:{server.port}/"
    assert server.stop() == 0


def opened(events):
    return events.of("open")[0]["extensions"]


@pytest.mark.parametrize("offer", OFFERS, ids=json.dumps)
def test_our_server_keeps_to_what_a_client_offers(our_compressing_server, their_client, offer):
    mode, url = our_compressing_server
    events = talk(their_client, url, "--deflate", json.dumps(offer), say=SAY)
    assert events.messages == SAID
    agreed = opened(events)
    assert agreed.startswith("permessage-deflate")
    # `ws` only names its extension.
    if ";" in agreed or their_client is programs.THEIRS["websockets"]:
        for name in ("server_no_context_takeover", "client_no_context_takeover"):
            assert (name in agreed) == (mode == "shared" or name in offer)
        if bits := offer.get("server_max_window_bits"):
            assert f"server_max_window_bits={min(bits, 12)}" in agreed


def test_fragments_of_a_compressed_message_come_back_whole(our_compressing_server, their_client):
    _, url = our_compressing_server
    say = ["fragments Grüße, amid fragments", "wait message", f"fragments {WORDS}", "wait message"]
    events = talk(their_client, url, "--deflate", "{}", say=say)
    assert [e["data"] for e in events.messages] == ["Grüße,amidfragments", WORDS.replace(" ", "")]


def test_many_messages_come_back_in_order(our_compressing_server, their_client):
    _, url = our_compressing_server
    say = [f"text {WORDS[: n % 500]} {n}" for n in range(300)] + ["wait message"] * 300
    events = talk(their_client, url, "--deflate", "{}", say=say)
    assert [e["data"] for e in events.messages] == [f"{WORDS[: n % 500]} {n}" for n in range(300)]


def test_a_client_without_compression_is_served_too(our_compressing_server, their_client):
    _, url = our_compressing_server
    events = talk(their_client, url, say=SAY)
    assert (events.messages, opened(events)) == (SAID, "")


@pytest.fixture(scope="module", params=["websockets", "ws"])
def answering(request):
    """`(answer) -> URL` of a server that insists on it."""
    started = {}

    def start(answer):
        key = json.dumps(answer)
        if key not in started:
            started[key] = peers.start(request.param, None, answer)
        return f"ws://127.0.0.1:{started[key].port}"

    yield start
    for server in started.values():
        server.stop()


@pytest.mark.parametrize("answer", ANSWERS, ids=json.dumps)
def test_our_clients_keep_to_what_a_server_answers(client, answering, answer):
    url = answering(answer)
    events = talk(client, f"{url}/echo", say=SAY)
    assert events.messages == SAID
    agreed = opened(events)
    assert agreed.startswith("permessage-deflate")
    for name, value in answer.items():
        # The other side's window is only limited where it was offered; we never offer our server's.
        if name != "server_max_window_bits" or value < 15:
            assert name in agreed or name == "client_max_window_bits" and value == 15
    fragments = talk(client, f"{url}/fragments", say=[f"text {WORDS}", "wait message"])
    assert [e["data"] for e in fragments.messages] == [WORDS]


def test_our_clients_do_without_what_a_server_declines(client, their_server):
    url, flags = their_server["ws"]
    events = talk(client, f"{url}/echo", *flags, say=SAY)
    assert (events.messages, opened(events)) == (SAID, "")


def test_compression_over_tls(client, certificates):
    server = peers.start("ws", certificates.good, {})
    events = talk(client, f"wss://localhost:{server.port}/echo", "--ca", certificates.ca, say=SAY)
    server.stop()
    assert events.messages == SAID and opened(events)


@pytest.mark.parametrize("name", list(programs.SERVERS))
def test_what_our_server_sends_is_smaller_on_the_wire(name, their_client):
    server = programs.Program([*programs.SERVERS[name], "--port", "0", "--deflate"])
    with peers.Relay(server.port) as relay:
        say = [f"text {WORDS}", "wait message"] * 20
        talk(their_client, f"ws://localhost:{relay.port}/", "--deflate", "{}", say=say)
    assert server.stop() == 0
    assert relay.down < 20 * len(WORDS) / 5


def test_what_our_client_sends_is_smaller_on_the_wire(client, answering):
    port = int(answering({}).rsplit(":", 1)[1])
    with peers.Relay(port) as relay:
        talk(client, f"ws://localhost:{relay.port}/echo", say=[f"text {WORDS}", "wait message"] * 20)
    assert relay.up < 20 * len(WORDS) / 5
