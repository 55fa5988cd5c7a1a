"""A resolver that does not answer holds nobody up but who waits for it."""

import sys
from pathlib import Path

import pytest
import talks
from test_opening import NAME, resolver

STALLED = [sys.executable, Path(__file__).resolve().parent / "stalled.py"]


@pytest.mark.parametrize("loop", ["own", "asyncio", "uvloop", "trio"])
def test_a_socket_is_made_at_once_and_another_talks_meanwhile_and_it_can_be_given_up(network, loop):
    network.server.drop()
    resolver(network, network.V4)
    talking = network.start(talks.Timed, network.client, STALLED, loop, f"ws://{NAME}:9/")
    made, said = talking.until("made"), talking.until("text")
    # The thread's own time, so that a busy machine changes nothing.
    assert made["state"] == 0 and made["used"] < 0.005
    assert (said["data"], said["state"]) == ("meanwhile", 0)
    talks.until(lambda: talks.sockets(talking.process.pid, "udp"))
    talking.say("give up")
    assert talking.until("closing")["state"] == 2
    assert talking.until("close")["code"] == 1006
    events = talking.end()
    assert [event["event"] for event in events] == ["made", "text", "closing", "error", "close"]
    assert not events.close["clean"]
