"""`serialize_connects`: connections to one host are made one after the other."""

import asyncio
import socket
import threading
from contextlib import contextmanager

import pytest
from conftest import SECONDS, accept_upgrade, read_head

import tightwire
from tightwire import WebSocket


@contextmanager
def listening():
    """A listening socket, and the URL of what it serves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield listener, f"ws://127.0.0.1:{listener.getsockname()[1]}"


def accept(listener):
    connection, _ = listener.accept()
    connection.settimeout(SECONDS)
    return connection


def path_of(connection):
    return read_head(connection).split()[1]


def test_a_socket_waits_until_the_one_before_is_open():
    order = []

    async def main():
        with listening() as (listener, url):
            first, second = (WebSocket(f"{url}/{name}", serialize_connects=True) for name in ("first", "second"))
            # Who does not take turns comes before those that wait.
            other = WebSocket(f"{url}/other")
            connections = []

            def serve():
                one = accept(listener)
                two = accept(listener)
                order.append(path_of(two))
                two.close()
                accept_upgrade(one)
                three = accept(listener)
                order.append(accept_upgrade(three).split()[1])
                connections.extend((one, three))

            thread = threading.Thread(target=serve)
            thread.start()
            with pytest.raises(tightwire.WebSocketError):
                await other
            await first
            await second
            thread.join(SECONDS)
            for ws in (first, second):
                ws.abort()
                await ws.closed()
            for connection in connections:
                connection.close()

    asyncio.run(main())
    assert order == ["/other", "/second"]


@pytest.mark.parametrize("give_up", ["close", "abort", "signal", "del"])
def test_a_socket_that_waits_can_be_given_up(give_up):
    async def main():
        with listening() as (listener, url):
            controller = tightwire.AbortController()
            first = WebSocket(url + "/first", serialize_connects=True)
            second = WebSocket(url + "/second", serialize_connects=True, signal=controller.signal)
            third = WebSocket(url + "/third", serialize_connects=True)
            connection = await asyncio.to_thread(accept, listener)
            assert second.readyState == second.CONNECTING
            if give_up == "signal":
                controller.abort()
                await second.closed()
                assert isinstance(second.error, tightwire.AbortError)
            elif give_up == "del":
                del second
            else:
                getattr(second, give_up)()
                close = await second.closed()
                assert (close.code, close.wasClean) == (1006, False)
            await asyncio.to_thread(accept_upgrade, connection)
            await first
            last = await asyncio.to_thread(accept, listener)
            assert (await asyncio.to_thread(accept_upgrade, last)).startswith("GET /third ")
            await third
            for ws in (first, third):
                ws.abort()
                await ws.closed()
            connection.close()
            last.close()

    asyncio.run(main())


def test_the_timeout_goes_on_only_while_it_is_its_turn():
    order = []
    with listening() as (_, url):
        for name, timeout in (("first", 0.3), ("second", 0.1)):
            ws = WebSocket(url, serialize_connects=True, timeout=timeout)
            ws.onclose = lambda event, name=name: order.append((name, type(event.error), event.error.phase))
        tightwire.run()
    assert order == [(name, tightwire.OpenTimeout, "upgrade") for name in ("first", "second")]
