"""Clients of other libraries and ours reach our servers through a reverse proxy, and ours those of others."""

import contextlib
import itertools
import signal
import socket

import peers
import programs
import proxies
import pytest
import reverse_proxies
from programs import Talk, talk

START = {"nginx": reverse_proxies.nginx, "haproxy": reverse_proxies.haproxy}
# What each says when nobody listens behind it.
UNREACHABLE = {"nginx": "502", "haproxy": "503"}
WORDS = " ".join(f"somebody {n % 7} said something {n % 11}, and again." for n in range(40))
SIZES = [0, 1, 125, 126, 70_000, 1 << 20]


class Front:
    """A kind of reverse proxy, with TLS or without, in front of whatever port a test has."""

    def __init__(self, kind, scheme, folder, certificates):
        proxies.require(kind)
        self.kind, self.scheme, self.folder = kind, scheme, folder
        self.files = certificates.good if scheme == "wss" else None
        self.flags = ["--ca", certificates.ca] if self.files else []

    @contextlib.contextmanager
    def of(self, port, **more):
        """The URL at which the proxy hands on to this port."""
        process = START[self.kind](self.folder(self.kind), port, self.files, **more)
        try:
            yield f"{self.scheme}://localhost:{process.port}"
        finally:
            process.stop()


@contextlib.contextmanager
def serving(command, *flags):
    """Our server, which ends even if the proxy in front of it never starts."""
    server = programs.Program([*command, "--port", "0", *flags])
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session", params=list(itertools.product(START, ("ws", "wss"))), ids="-".join)
def front(request, tmp_path_factory, certificates):
    return Front(*request.param, tmp_path_factory.mktemp, certificates)


@pytest.fixture(scope="session")
def ours(front, server_command):
    """The URL of a proxy in front of our server."""
    with serving(server_command) as server, front.of(server.port) as url:
        yield url + "/any/path?and=query"
        assert server.stop() == 0


@pytest.fixture(scope="session", params=["websockets", "ws"])
def theirs(request, front):
    """The URL of a proxy in front of a server of another library, without the path."""
    server = peers.start(request.param, None)
    try:
        with front.of(server.port) as url:
            yield url
    finally:
        server.stop()


def test_messages_come_back(front, ours, any_client):
    say = [f"text {WORDS}", "wait message", *(c for n in SIZES for c in (f"binary {n}", "wait message"))]
    events = talk(any_client, ours, *front.flags, say=say)
    binary = [{"event": "binary", "len": n, "pattern": True} for n in SIZES]
    assert events.messages == [{"event": "text", "data": WORDS}, *binary]
    assert (events.close["code"], events.close["clean"]) == (1000, True)


def test_a_batch_comes_back_in_order(front, ours, any_client):
    say = [f"text {i}" for i in range(300)] + ["wait message"] * 300
    events = talk(any_client, ours, *front.flags, say=say)
    assert [e["data"] for e in events.messages] == [str(i) for i in range(300)]


def test_the_close_of_a_client_is_echoed(front, ours, any_client):
    events = talk(any_client, ours, *front.flags, say=["close 4001 that is enough"])
    assert events.close == {"event": "close", "code": 4001, "reason": "that is enough", "clean": True}
    assert not events.of("error")


def test_the_close_of_a_server_arrives_with_code_and_reason(front, theirs, client):
    url = f"{theirs}/close?code=4001&reason=enough"
    events = talk(client, url, *front.flags, say=["text x", "wait close"])
    assert events.close == {"event": "close", "code": 4001, "reason": "enough", "clean": True}
    assert not events.of("error")


def test_our_stopping_server_closes_with_1001(front, server_command, any_client):
    with serving(server_command) as server, front.of(server.port) as url:
        talking = Talk(any_client, url, *front.flags).say("text x", "wait message", "wait close")
        talking.until("text")
        assert server.stop() == 0
        close = talking.end().close
    assert (close["code"], close["clean"]) == (1001, True)


def test_a_server_that_dies_is_an_error_and_1006(front, server_command, client):
    with serving(server_command) as server, front.of(server.port) as url:
        talking = Talk(client, url, *front.flags).say("text x", "wait message", "wait close")
        talking.until("text")
        server.process.send_signal(signal.SIGKILL)
        events = talking.end()
    assert (events.close["code"], events.close["clean"]) == (1006, False)
    assert events.error["text"]


def test_a_proxy_tired_of_silence_is_an_error_and_1006(front, server_command, client):
    with serving(server_command) as server, front.of(server.port, idle=1) as url:
        events = talk(client, url, *front.flags, say=["text x", "wait message", "wait close"])
    assert [e["data"] for e in events.messages] == ["x"]
    assert (events.close["code"], events.close["clean"]) == (1006, False)
    assert events.error["text"]


def test_our_server_survives_a_proxy_tired_of_silence(front, server_command, their_client):
    with serving(server_command) as server, front.of(server.port, idle=1) as url:
        events = talk(their_client, url, *front.flags, say=["text x", "wait message", "wait close"])
        assert (events.close["code"], events.close["clean"]) == (1006, False)
        assert talk(their_client, url, *front.flags, say=["text still here", "wait message"]).messages
        assert server.stop() == 0


def test_an_unreachable_server_is_named_by_its_status(front, client):
    # A port that is taken, and at which nobody listens.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with front.of(taken.getsockname()[1]) as url:
            events = talk(client, url, *front.flags)
    assert not events.of("open")
    assert (events.error["phase"], events.error["code"]) == ("upgrade", 25)
    assert UNREACHABLE[front.kind] in events.error["text"]
    assert (events.close["code"], events.close["clean"]) == (1006, False)


def test_compression_is_agreed_on_with_our_server(front, server_command, any_client):
    offer = ["--deflate", "{}"] if any_client in programs.THEIRS.values() else []
    with (
        serving(server_command, "--deflate") as server,
        peers.Relay(server.port) as relay,
        front.of(relay.port) as url,
    ):
        events = talk(any_client, url, *front.flags, *offer, say=[f"text {WORDS}", "wait message"] * 20)
        assert server.stop() == 0
    assert events.of("open")[0]["extensions"].startswith("permessage-deflate")
    assert [e["data"] for e in events.messages] == [WORDS] * 20
    assert max(relay.up, relay.down) < 20 * len(WORDS) / 5


def test_pages_of_the_proxy_get_in_and_those_of_strangers_do_not(front, ours, any_client):
    page = ours.replace("ws", "http", 1).removesuffix("/any/path?and=query")
    events = talk(any_client, ours, *front.flags, "--header", f"Origin: {page}", say=["text x", "wait message"])
    assert [e["data"] for e in events.messages] == ["x"]
    events = talk(any_client, ours, *front.flags, "--header", "Origin: https://evil.example")
    assert not events.of("open")
    assert "403" in events.error["text"]


def test_a_foreign_host_is_refused_with_the_reason(front, ours, client):
    events = talk(client, ours, *front.flags, "--header", "Host: evil.example")
    assert (events.error["phase"], events.error["code"]) == ("upgrade", 25)
    assert "403" in events.error["text"] and "option: hosts" in events.error["text"]


@pytest.mark.parametrize("offered, chosen", [([], ""), (["x", "chat", "superchat"], "chat")])
def test_subprotocols_are_offered_and_chosen(front, theirs, client, offered, chosen):
    flags = [flag for name in offered for flag in ("--protocol", name)]
    events = talk(client, f"{theirs}/echo", *front.flags, *flags)
    assert events.of("open")[0]["protocol"] == chosen


def test_header_fields_are_handed_on(front, theirs, client):
    flags = [*front.flags, "--header", "X-Test: some value"]
    events = talk(client, f"{theirs}/header", *flags, say=["text x", "wait message"])
    assert [e["data"] for e in events.messages] == ["some value"]


def test_a_ping_right_behind_the_handshake_is_answered(front, theirs, client):
    events = talk(client, f"{theirs}/ping", *front.flags, say=["wait message"])
    assert [e["data"] for e in events.messages] == ["pong are you there"]


def test_a_refusal_names_the_status_of_the_server(front, theirs, client):
    events = talk(client, f"{theirs}/refuse", *front.flags)
    assert (events.error["phase"], events.error["code"]) == ("upgrade", 25)
    assert "403" in events.error["text"]
