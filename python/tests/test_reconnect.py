"""`reconnect`: open sockets one after the other, in every host and blocking."""

import pytest
from conftest import SECONDS, running_server
from hosts import HOSTS
from test_request import answers

import tightwire
import tightwire.sync
from tightwire import Reconnect, reconnect

SOON = Reconnect(initial=0.005)


def blocking(attempts, body):
    for ws in attempts:
        if body(ws) is not None:
            ws.close()
            ws.run()
            break
        ws.run()


def asynchronous(host):
    """The same iteration in a host."""

    def way(attempts, body):
        async def main():
            async for ws in attempts:
                if body(ws) is not None:
                    break
                await ws.closed()

        host.run(host.at_most, SECONDS, main())

    return way


@pytest.fixture(params=["blocking", *HOSTS])
def way(request):
    return blocking if request.param == "blocking" else asynchronous(HOSTS[request.param]())


@pytest.fixture
def flaky():
    """A server that drops its first two clients when they say something; the URL."""
    count = iter(range(99))

    def handler(ws):
        drops = next(count) < 2
        ws.onmessage = lambda event: ws.abort() if drops else ws.close(1000, event.data)

    with running_server(handler) as server:
        yield f"ws://127.0.0.1:{server.port}/"


def test_a_lost_connection_is_followed_by_another(way, flaky):
    seen, resumed = [], []

    def body(ws):
        assert ws.readyState == ws.OPEN
        seen.append(ws)
        ws.send("bye")

    way(reconnect(flaky, policy=SOON, on_resume=resumed.append), body)
    assert len(seen) == 3 and resumed == seen[1:]
    assert seen[0].close_event.code == 1006 and seen[2].close_event.reason == "bye"


def test_break_leaves_it(way, flaky):
    seen = []
    way(tightwire.sync.reconnect(flaky, policy=SOON), lambda ws: seen.append(ws) or "enough")
    assert len(seen) == 1


def test_what_is_fatal_is_raised(way):
    with answers(b"503 Busy\r\n", b"429 Slow\r\n", b"403 No\r\n") as (url, requests):
        with pytest.raises(tightwire.InvalidStatus) as raised:
            way(reconnect(url, policy=SOON), lambda ws: None)
    assert raised.value.response.status == 403 and len(requests) == 3


def test_attempts_may_be_limited(way):
    with pytest.raises(tightwire.ConnectError):
        way(reconnect("ws://127.0.0.1:1/", policy=SOON._replace(max_attempts=2)), lambda ws: None)


def test_a_socket_that_is_still_open_is_closed_before_the_next(host):
    async def main():
        seen = []
        async for ws in reconnect(url, policy=SOON):
            seen.append(ws)
            if len(seen) == 2:
                break
        assert seen[0].close_event.code == 1000 and seen[1].readyState == ws.OPEN
        seen[1].close()
        await seen[1].closed()

    with running_server() as server:
        url = f"ws://127.0.0.1:{server.port}/"
        host.run(main)
        for count, ws in enumerate(reconnect(url, policy=SOON)):
            if count == 1:
                ws.close()
                ws.run()
                break


def test_on_resume_may_be_a_coroutine(host, flaky):
    async def main():
        subscribed = []

        async def subscribe(ws):
            await host.sleep(0)
            subscribed.append(ws)

        async for ws in reconnect(flaky, policy=SOON, on_resume=subscribe):
            if subscribed:
                assert subscribed == [ws]
                ws.abort()
                break
            ws.send("drop me")
            await ws.closed()

    host.run(main)


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (Reconnect(initial=0), "initial"),
        (Reconnect(initial=2, max=1), "max"),
        (Reconnect(max_attempts=0), "max_attempts"),
        (Reconnect(reset_after=-1), "reset_after"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_at_once(policy, field):
    with pytest.raises((ValueError, tightwire.InvalidArgument), match=field):
        reconnect("ws://127.0.0.1:1/", policy=policy)
