"""Our echo server, in each language and with and without TLS, against clients of other libraries and ours."""

import base64
import os
import signal
import socket

import programs
import pytest
from programs import Talk, talk

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]
WORDS = "Grüße, 世界 🎈"


def test_binary_of_every_length_encoding_comes_back(our_server, any_client):
    url, flags = our_server
    events = talk(any_client, url, *flags, say=[c for n in SIZES for c in (f"binary {n}", "wait message")])
    assert events.messages == [{"event": "binary", "len": n, "pattern": True} for n in SIZES]
    assert (events.close["code"], events.close["clean"]) == (1000, True)


def test_text_of_every_length_encoding_comes_back(our_server, any_client):
    url, flags = our_server
    texts = [WORDS] + [("ä" * n).encode()[:n].decode(errors="ignore").ljust(n, "x") for n in SIZES]
    events = talk(any_client, url, *flags, say=[c for t in texts for c in (f"text {t}", "wait message")])
    assert [e["data"] for e in events.messages] == texts


def test_a_batch_comes_back_in_order(our_server, any_client):
    url, flags = our_server
    events = talk(any_client, url, *flags, say=[f"text {i}" for i in range(300)] + ["wait message"] * 300)
    assert [e["data"] for e in events.messages] == [str(i) for i in range(300)]


def test_a_fragmented_message_comes_back_whole(our_server, their_client):
    url, flags = our_server
    say = ["fragments Grüße, amid fragments", "wait message", "text after", "wait message"]
    events = talk(their_client, url, *flags, say=say)
    assert [e["data"] for e in events.messages] == ["Grüße,amidfragments", "after"]


def test_pings_are_answered_in_order(our_server, their_client):
    url, flags = our_server
    say = [c for i in range(10) for c in (f"ping {i}", "wait pong")]
    events = talk(their_client, url, *flags, say=say)
    assert [e["data"] for e in events.of("pong")] == [str(i) for i in range(10)]


@pytest.mark.parametrize("code, reason", [(1000, "bye"), (1001, ""), (1008, "ü" * 61), (3000, "x" * 123), (4999, "")])
def test_the_close_code_of_a_client_is_echoed(our_server, their_client, code, reason):
    url, flags = our_server
    events = talk(their_client, url, *flags, say=[f"close {code} {reason}"])
    assert (events.close["code"], events.close["clean"]) == (code, True)


def test_a_close_without_code_is_answered_without_one(our_server, their_client):
    url, flags = our_server
    events = talk(their_client, url, *flags, say=["close"])
    assert (events.close["code"], events.close["clean"]) == (1005, True)


def test_an_abort_leaves_the_server_alive(our_server, their_client):
    url, flags = our_server
    talk(their_client, url, *flags, say=["text x", "wait message", "abort", "wait close"])
    assert talk(their_client, url, *flags, say=["text still here", "wait message"]).messages


def test_no_subprotocol_is_chosen_that_nobody_supports(our_server, their_client):
    url, flags = our_server
    events = talk(their_client, url, *flags)
    assert events.of("open")[0]["protocol"] == ""


def test_sigterm_closes_with_1001_and_exit_code_0(server_command, their_client):
    server = programs.Program([*server_command, "--port", "0"])
    clients = [Talk(their_client, f"ws://127.0.0.1:{server.port}").say("text x", "wait message") for _ in range(3)]
    for client in clients:
        client.until("text")
        client.say("wait close")
    server.process.send_signal(signal.SIGTERM)
    for client in clients:
        event = client.until("close")
        assert (event["code"], event["clean"]) == (1001, True)
        client.end()
    assert server.process.wait(programs.PATIENCE) == 0


def test_sink_drops_16_bytes_and_more(server_command, their_client):
    server = programs.Program([*server_command, "--port", "0", "--mode", "sink"])
    say = ["binary 16", "binary 15", "text 0123456789abcdef", "text short", "wait message", "wait message"]
    events = talk(their_client, f"ws://127.0.0.1:{server.port}", say=say)
    assert [e.get("len", e.get("data")) for e in events.messages] == [15, "short"]
    assert server.stop() == 0


def request(port, *lines):
    """The reply's head to a raw upgrade request."""
    with socket.create_connection(("127.0.0.1", port), timeout=programs.PATIENCE) as sock:
        sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        reply = b""
        while b"\r\n\r\n" not in reply and (data := sock.recv(4096)):
            reply += data
    return reply.decode("latin-1")


UPGRADE = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    "Sec-WebSocket-Version": "13",
}


@pytest.mark.parametrize(
    "change, statuses",
    [
        ({}, [101]),
        ({"Upgrade": "WebSocket", "Connection": "keep-alive, upgrade"}, [101]),
        ({"Origin": "http://evil.example"}, [403]),
        ({"Host": "evil.example"}, [400, 403, 421]),
        ({"Sec-WebSocket-Version": "12"}, [426]),
        ({"Sec-WebSocket-Key": "short"}, [400]),
        ({"Sec-WebSocket-Key": None}, [400]),
        ({"Upgrade": None}, [400, 426]),
        ({"Padding": "x" * 20_000}, [431]),
    ],
)
def test_requests_are_judged(server_command, change, statuses):
    server = programs.Program([*server_command, "--port", "0"])
    fields = {k: v for k, v in (UPGRADE | change).items() if v is not None}
    reply = request(server.port, "GET / HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items()))
    assert reply.startswith("HTTP/1.1 ") and int(reply.split()[1]) in statuses, reply
    assert server.stop() == 0
