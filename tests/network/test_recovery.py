"""Faults that pass, which a connection survives."""

import time


def test_a_network_that_comes_back_loses_nothing(network):
    _, port = network.serve()
    clients = network.talks(f"ws://{network.V4}:{port}/")
    for talking in clients.values():
        talking.say("text before").until("text")
    network.cut()
    messages = [f"message {number}" for number in range(20)]
    for talking in clients.values():
        talking.say(*(f"text {message}" for message in messages))
    time.sleep(5)
    assert not any(talking.lines.qsize() for talking in clients.values())
    network.mend()
    for name, talking in clients.items():
        assert [talking.said() for _ in messages] == messages, name
        talking.assert_alive()


def test_a_lossy_network_loses_no_message(network):
    _, port = network.serve()
    clients = network.talks(f"ws://{network.V4}:{port}/")
    for talking in clients.values():
        talking.until("open")
    network.lose("numgen random mod 100 < 20")
    messages = [f"message {number}" for number in range(100)]
    for talking in clients.values():
        # In turns, for what is sent at once travels in one packet.
        for five in range(0, 100, 5):
            talking.say(*(f"text {message}" for message in messages[five : five + 5]), *["wait message"] * 5)
    for name, talking in clients.items():
        assert [talking.said() for _ in messages] == messages, name
    assert network.client.dropped() and network.server.dropped()
    network.mend()
    for talking in clients.values():
        talking.assert_alive()
