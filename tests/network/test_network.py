"""What only a network can do to a connection: silence, loss, dead routes and names."""

import subprocess
import sys
import time

import programs
import pytest
from network import HERE, Server
from programs import Talk

# How much later than it should something may happen on a loaded machine, in seconds.
SLACK = 1.0
HOSTS = "/etc/hosts"
RESOLV = "/etc/resolv.conf"


def talk(pair, client, url, files=None):
    return Talk(pair.client.inside(*client, files=files), url)


def url(server, host):
    return f"ws://{host}:{server.port}/"


def test_a_silent_peer_is_noticed_within_41_seconds_by_both_ends(pair, server, monkeypatch):
    monkeypatch.setattr(programs, "PATIENCE", 60)
    talks = [talk(pair, client, url(server, pair.server.v4)) for client in programs.OURS.values()]
    for talking in talks:
        talking.say("text hello", "wait message").until("text")
    pair.cut()
    silence = time.monotonic()
    for talking in talks:
        error = talking.until("error")
        assert 39 < time.monotonic() - silence < 41
        assert error["phase"] == "heartbeat" and "ping" in error["text"]
        close = talking.until("close")
        assert (close["code"], close["clean"]) == (1006, False)
    for _ in talks:
        assert server.next() == {"code": 1006, "kind": "heartbeat_timeout"}
    assert time.monotonic() - silence < 41


def test_a_handler_that_takes_60_seconds_is_no_dead_peer(pair):
    server = Server(pair, "--patient")
    command = pair.client.inside(sys.executable, HERE / "busy.py", url(server, pair.server.v4), 60)
    done = subprocess.run(command, capture_output=True, text=True, timeout=80)
    assert done.stdout == "first second 1000 None\n", done.stdout + done.stderr
    server.stop()


def test_a_network_that_comes_back_loses_nothing(pair, server, client):
    talking = talk(pair, client, url(server, pair.server.v4)).say("text before", "wait message")
    talking.until("text")
    pair.cut()
    talking.say("text amid", "text more", "wait message", "wait message")
    # The outage itself; less than the 20 s after which a ping would be sent.
    time.sleep(3)
    pair.heal()
    events = talking.end()
    assert [event["data"] for event in events.messages] == ["before", "amid", "more"]
    assert (events.close["code"], events.close["clean"]) == (1000, True)


def test_a_lossy_network_keeps_order(pair, server, client):
    for machine in (pair.client, pair.server):
        machine.filter("numgen random mod 100 < 20")
    say = [f"text {number}" for number in range(100)] + ["wait message"] * 100
    events = talk(pair, client, url(server, pair.server.v4)).say(*say).end()
    assert [event["data"] for event in events.messages] == [str(number) for number in range(100)]
    assert events.close["clean"]


@pytest.fixture
def hosts(pair, tmp_path):
    """Files in which the server has a name in both families, the newer one first."""
    path = tmp_path / "hosts"
    path.write_text(f"{pair.server.v6} both.test\n{pair.server.v4} both.test\n")
    return {HOSTS: path}


def attempts(pair):
    """TCP connections that are being made on the client's machine."""
    table = subprocess.run(
        pair.client.inside("cat", "/proc/self/net/tcp", "/proc/self/net/tcp6"), capture_output=True, text=True
    )
    syn_sent = "02"
    return [line for line in table.stdout.splitlines() if line.split()[3] == syn_sent]


@pytest.mark.parametrize("fault", ["black hole", "unreachable", "refused"])
def test_a_dead_route_in_one_family_costs_a_moment_only(pair, server, client, hosts, fault):
    if fault == "black hole":
        pair.server.filter("meta nfproto ipv6 tcp flags syn")
    elif fault == "unreachable":
        pair.client.do("ip", "-6", "route", "add", "unreachable", f"{pair.server.v6}/128", "metric", "1")
    else:
        pair.server.do("nft", "add table inet fault; add chain inet fault arriving { type filter hook input priority 0 ; }")
        pair.server.do("nft", "add rule inet fault arriving meta nfproto ipv6 tcp flags syn reject with tcp reset")
    begin = time.monotonic()
    talking = talk(pair, client, url(server, "both.test"), files=hosts)
    talking.until("open")
    # Half a second (RFC 8305), and the start of an interpreter.
    assert time.monotonic() - begin < 0.5 + 2 * SLACK
    assert not attempts(pair), "the loser of the race goes on"
    assert talking.end().close["clean"]


def test_a_server_that_drops_requests_for_connections_is_given_up(pair, server, client):
    pair.server.filter("tcp flags syn")
    begin = time.monotonic()
    error = talk(pair, client, url(server, pair.server.v4)).until("error")
    assert 9.5 < time.monotonic() - begin < 10 + 2 * SLACK
    assert (error["phase"], error["code"]) == ("tcp", 12)


def test_an_unreachable_network_is_told_at_once(pair, client):
    pair.client.do("ip", "route", "add", "unreachable", "10.99.0.0/16")
    begin = time.monotonic()
    error = talk(pair, client, "ws://10.99.0.1:9/").until("error")
    assert time.monotonic() - begin < 2 * SLACK
    assert (error["phase"], error["code"]) == ("tcp", 21)
    assert "unreachable" in error["text"] or "No route to host" in error["text"]


@pytest.fixture
def resolver(pair, tmp_path):
    """Files that send all questions to the server's machine."""
    path = tmp_path / "resolv.conf"
    path.write_text(f"nameserver {pair.server.v4}\n")
    return {RESOLV: path}


def test_a_name_server_that_is_silent(pair, client, resolver):
    pair.server.filter("udp dport 53")
    begin = time.monotonic()
    error = talk(pair, client, "ws://somebody.test/", files=resolver).until("error")
    assert 9.5 < time.monotonic() - begin < 10 + 2 * SLACK
    assert (error["phase"], error["code"]) == ("dns", 12)


def test_a_name_that_does_not_exist(pair, client, resolver):
    command = pair.server.inside(sys.executable, HERE / "nameserver.py")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as nameserver:
        assert nameserver.stdout.readline() == b"ready\n"
        error = talk(pair, client, "ws://nobody.test/", files=resolver).until("error")
        nameserver.terminate()
    assert (error["phase"], error["code"]) == ("dns", 20)
    assert "nobody.test" in error["text"]
