"""Peers that fall silent without a word, and some that only seem to."""

import time

import programs
import talks

# Ping after 20 s, and 20 s for the answer.
DEAD_AFTER = 40
BLOCKED = 60


def time_of_death(events):
    """When a program told that its peer is dead; nothing else may have gone wrong."""
    error, close = events.error, events.close
    assert (error["phase"], error["code"]) == ("heartbeat", 12), events
    assert (close["code"], close["clean"]) == (1006, False), events
    return error["at"]


def test_both_ends_of_a_silent_wire_find_each_other_dead(network):
    server, port = network.serve()
    clients = network.talks(f"ws://{network.V4}:{port}/")
    for talking in clients.values():
        talking.say("text alive").until("text")
    last_byte = min(talking.events.messages[0]["at"] for talking in clients.values())
    network.cut()
    cut = time.monotonic()
    deaths = {}
    for name, talking in clients.items():
        talking.until("close")
        deaths[name] = time_of_death(talking.events)
    for name in clients:
        server.until("close")
        deaths[f"the server of {name}"] = time_of_death(programs.Events(server.events[-2:]))
    for name, at in deaths.items():
        assert at - cut >= DEAD_AFTER - 1, name
        assert at - last_byte <= DEAD_AFTER + 1, name


def test_a_server_gives_up_the_socket_of_a_silent_client(network):
    """The echo servers tell nothing and serve their own host only, which is cut off from itself."""
    servers = {}
    for name, command in programs.SERVERS.items():
        server = network.start(talks.Timed, network.server, [*command, "--port"], "0")
        servers[name] = server.process.pid
        port = server.lines.get(timeout=server.patience).strip()
        url = f"ws://127.0.0.1:{port}/"
        network.start(talks.Timed, network.server, programs.OURS["rust"], url).say("text alive").until("text")
    assert all(talks.sockets(pid) for pid in servers.values())
    network.cut()
    cut = time.monotonic()
    gone = {}

    def are_gone():
        for name in servers.keys() - gone.keys():
            if not talks.sockets(servers[name]):
                gone[name] = time.monotonic() - cut
        return gone.keys() == servers.keys()

    talks.until(are_gone, DEAD_AFTER + 5)
    for name, took in gone.items():
        assert DEAD_AFTER - 1 <= took <= DEAD_AFTER + 1, name


def test_a_callback_that_blocks_is_no_death_of_the_server(network):
    _, port = network.serve("--no-heartbeat")
    clients = network.talks(f"ws://{network.V4}:{port}/", talks.Unheard)
    for talking in clients.values():
        talking.until("open")
        talking.listening.clear()
        # More than reader, pipe and a buffer in between can hold, less than input takes without a reader.
        talking.say(*["text " + "x" * 15_000] * 4)
    for talking in clients.values():
        talks.until(talking.is_stuck)
    time.sleep(BLOCKED)
    for talking in clients.values():
        assert talking.is_stuck()
        talking.listening.set()
        talking.assert_alive()


def test_a_client_that_sleeps_in_onmessage_goes_on(network):
    _, port = network.serve("--no-heartbeat")
    sleeper = network.start(talks.Timed, network.client, talks.SLEEPER, f"ws://{network.V4}:{port}/", str(BLOCKED))
    assert [sleeper.said(), sleeper.said()] == ["sleep", "awake"]
    _, awake = sleeper.events.of("text")
    assert awake["slept"] >= BLOCKED
    events = sleeper.end()
    assert not events.of("error"), events
    assert (events.close["code"], events.close["clean"]) == (1000, True), events
