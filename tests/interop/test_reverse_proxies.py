"""Our servers behind nginx and haproxy, which also end TLS: ours are the ends, theirs what is between."""

import os

import programs
import pytest
from programs import Talk, talk
from reverse_proxies import DEAD, FRONTS

os.environ["PATH"] += ":/usr/sbin"
SAY = ["text hello", "wait message", "binary 70000", "wait message"]
SAID = [{"event": "text", "data": "hello"}, {"event": "binary", "len": 70000, "pattern": True}]


@pytest.fixture(scope="session", params=list(FRONTS))
def front(request):
    return request.param


@pytest.fixture(scope="session")
def served(front, server_command, tmp_path_factory, certificates):
    """The URLs of a server of ours behind a proxy, plain and secured."""
    server = programs.Program([*server_command, "--port", "0", "--deflate"])
    start, _ = FRONTS[front]
    fronts = {s: start(tmp_path_factory.mktemp(front), server.port, certificates if s == "wss" else None)
              for s in ("ws", "wss")}
    yield {scheme: f"{scheme}://localhost:{process.port}" for scheme, process in fronts.items()}
    for process in fronts.values():
        process.stop()
    assert server.stop() == 0


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_messages_come_and_go(any_client, served, scheme, certificates):
    events = talk(any_client, f"{served[scheme]}/", "--ca", certificates.ca, say=SAY)
    assert events.messages == SAID
    assert (events.close["code"], events.close["clean"]) == (1000, True)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_compression_and_close_codes_pass(client, served, scheme, certificates):
    say = [*SAY, "close 4001 enough"]
    events = talk(client, f"{served[scheme]}/", "--ca", certificates.ca, say=say)
    assert events.of("open")[0]["extensions"].startswith("permessage-deflate")
    assert (events.close["code"], events.close["reason"], events.close["clean"]) == (4001, "enough", True)


def test_a_server_that_is_not_there_is_told(client, front, served):
    _, status = FRONTS[front]
    events = Talk(client, served["ws"] + DEAD).end()
    assert events.error["phase"] == "upgrade" and f"answered {status}" in events.error["text"]
    assert events.close["code"] == 1006


def test_a_proxy_that_loses_patience_is_no_closing_handshake(client, front, server_command, tmp_path):
    server = programs.Program([*server_command, "--port", "0"])
    process = FRONTS[front][0](tmp_path, server.port, patience=1)
    talking = Talk(client, f"ws://localhost:{process.port}/")
    talking.until("open")
    talking.until("close")
    events = talking.end()
    assert (events.close["code"], events.close["clean"], events.error["phase"]) == (1006, False, "tcp")
    process.stop()
    assert server.stop() == 0


def test_a_server_that_goes_away_says_so(client, front, server_command, tmp_path):
    server = programs.Program([*server_command, "--port", "0"])
    process = FRONTS[front][0](tmp_path, server.port)
    talking = Talk(client, f"ws://localhost:{process.port}/")
    talking.until("open")
    assert server.stop() == 0
    talking.until("close")
    close = talking.end().close
    assert (close["code"], close["clean"]) == (1001, True)
    process.stop()
