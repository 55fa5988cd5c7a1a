"""Networks on which a client does not get through to its server, or only by another way."""

import time

import pytest
import talks

NAME = "twin.test"
# The number of the C ABI for a deadline that passed, and for a name and an address that do not work.
TIMED_OUT, DNS, CONNECT = 12, 20, 21
OPEN_TIMEOUT = 10
# What needs no waiting takes milliseconds; the rest is for the start of a program on a busy machine.
AT_ONCE = 2


def failed(talking, phase, code):
    """The error of a talk that did not open; it ends by itself thereafter."""
    events = talking.events
    talking.until("close")
    assert not events.of("open"), events
    assert (events.error["phase"], events.error["code"]) == (phase, code), events
    assert (events.close["code"], events.close["clean"]) == (1006, False), events
    assert talking.process.wait(5) == 0
    return events.error


def in_time(network, url, protocol, phase):
    """Every client has the timeout for opening, counted from the moment at which the system is asked."""
    clients = []
    for name in ("rust", "c", "python"):
        talking = network.talk(name, url)
        talks.until(lambda pid=talking.process.pid: talks.sockets(pid, protocol))
        clients.append((talking, time.monotonic()))
    for talking, began in clients:
        error = failed(talking, phase, TIMED_OUT)
        assert OPEN_TIMEOUT - 0.5 <= error["at"] - began <= OPEN_TIMEOUT + 1, error


def never_answers(network):
    network.server.drop("meta nfproto ipv6 meta l4proto tcp")


def is_refused(network):
    network.server.drop("meta nfproto ipv6 meta l4proto tcp", "reject with tcp reset")


def no_way_out(kind):
    return lambda network: network.client.ip(f"route add {kind} {network.V6}")


WAYS = {
    "dropped": never_answers,
    "refused": is_refused,
    "blackhole": no_way_out("blackhole"),
    "prohibit": no_way_out("prohibit"),
    "unreachable": no_way_out("unreachable"),
}


@pytest.mark.parametrize("way", WAYS)
def test_ipv4_saves_a_name_whose_ipv6_is_dead(network, client, way):
    network.configure("hosts", f"{network.V6} {NAME}\n{network.V4} {NAME}\n")
    WAYS[way](network)
    _, port = network.serve()
    began = time.monotonic()
    talking = network.talk(client, f"ws://{NAME}:{port}/")
    assert talking.until("open")["at"] - began <= AT_ONCE
    # The resolver itself moves an address to the end to which there is no route.
    assert way not in ("dropped", "refused") or network.server.dropped(), "IPv6 was not tried at all"
    # Established, and alone: the loser of the race is closed.
    assert talks.sockets(talking.process.pid) == ["01"]
    talking.say("text through", "wait message")
    assert talking.said() == "through"
    assert talking.end().close["clean"]


def test_a_server_that_never_answers_costs_the_timeout(network):
    network.server.drop("tcp flags syn")
    in_time(network, f"ws://{network.V4}:9/", "tcp", "tcp")


@pytest.mark.parametrize(
    "route, reason",
    [
        (None, "Network is unreachable"),
        ("unreachable", "No route to host"),
        ("prohibit", "Permission denied"),
    ],
)
def test_a_host_without_a_route_fails_at_once(network, client, route, reason):
    elsewhere = "10.78.0.1"
    if route:
        network.client.ip(f"route add {route} {elsewhere}")
    began = time.monotonic()
    error = failed(network.talk(client, f"ws://{elsewhere}:9/"), "tcp", CONNECT)
    assert error["at"] - began <= AT_ONCE
    assert elsewhere in error["text"] and reason in error["text"], error


def test_every_address_without_a_route_is_told(network, client):
    addresses = ["10.78.0.1", "10.78.0.2", "2001:db8:1::1"]
    network.configure("hosts", "".join(f"{address} {NAME}\n" for address in addresses))
    network.client.ip("route add unreachable 10.78.0.0/24", "route add unreachable 2001:db8:1::/64")
    error = failed(network.talk(client, f"ws://{NAME}:9/"), "tcp", CONNECT)
    assert f"could not connect to {NAME}:9" in error["text"], error
    for address in addresses:
        assert address in error["text"], error
    assert error["text"].count("No route to host") == len(addresses), error


def resolver(network, address):
    # More patience than ours, lest the resolver gives up first.
    network.configure("resolv.conf", f"nameserver {address}\noptions timeout:30\n")
    network.configure("nsswitch.conf", "hosts: files dns\n")


def test_a_nameserver_that_never_answers_costs_the_timeout(network):
    network.server.drop()
    resolver(network, network.V4)
    in_time(network, f"ws://{NAME}:9/", "udp", "dns")


def test_a_name_that_does_not_exist_fails_at_once(network, client):
    resolver(network, "127.0.0.1")
    network.start(talks.Timed, network.client, talks.NAMESERVER[:1], *talks.NAMESERVER[1:]).until("listening")
    began = time.monotonic()
    error = failed(network.talk(client, f"ws://{NAME}:9/"), "dns", DNS)
    assert error["at"] - began <= AT_ONCE
    assert NAME in error["text"], error
