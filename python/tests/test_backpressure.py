"""A socket whose `async def` handlers do not come to an end reads nothing, until they do."""

import contextlib
import threading

import pytest
import websockets.exceptions
import websockets.sync.client
from conftest import SECONDS, running_server

import tightwire
from tightwire import WebSocket

COUNT = 100
# More than 16 unfinished, as the documentation says.
HELD_AT = 17


def text_of(number, size):
    return str(number).ljust(size)


def client_end(url, size, use):
    """A socket of ours as a client, whose server sends everything when it is asked to."""

    def flood(ws):
        ws.onmessage = lambda event: [ws.send(text_of(number, size)) for number in range(COUNT)]

    async def main():
        with running_server(flood) as server:
            ws = await WebSocket(f"ws://127.0.0.1:{server.port}")
            await use(ws, lambda: ws.send("go"))

    return main()


def server_end(url, size, use):
    """A socket of ours that a server accepted, whose client is none of ours."""

    def flood(url):
        with websockets.sync.client.connect(url, max_size=None) as client:
            client.recv(SECONDS)
            # Until we close, perhaps before all is sent.
            with contextlib.suppress(websockets.exceptions.ConnectionClosed):
                for number in range(COUNT):
                    client.send(text_of(number, size))
                client.recv(SECONDS)

    async def main(server, accepted):
        thread = threading.Thread(target=flood, args=(f"ws://127.0.0.1:{server.port}",))
        thread.start()
        while not accepted:
            await use.host.sleep(0.001)
        await use(accepted[0], lambda: accepted[0].send("go"))
        server.close()
        while thread.is_alive():
            await use.host.sleep(0.001)

    accepted = []
    return main(tightwire.serve(accepted.append), accepted)


class Flood:
    """Handlers that wait for `go`, and what they saw."""

    def __init__(self, host, url):
        self.host, self.url = host, url
        self.go = host.event()
        self.begun, self.done = [], []

    def handler(self, event):
        self.begun.append(int(event.data))
        return self.work(int(event.data))

    async def work(self, number):
        await self.go.wait()
        self.done.append(number)

    async def until(self, condition):
        while not condition():
            await self.host.sleep(0.001)

    async def others_had_their_turns(self):
        """A conversation of another socket of the same loop, which reads all the while."""
        ws, got = await WebSocket(self.url), []
        ws.onmessage = lambda event: got.append(event.data)
        for number in range(20):
            ws.send("x")
            await self.until(lambda: len(got) > number)
        ws.close()
        await ws.closed()


@pytest.fixture(params=[client_end, server_end], ids=["client", "server"])
def end(request):
    return request.param


@pytest.fixture(params=[10, 20_000], ids=["one-read", "many-reads"])
def flood(request, host, end, url):
    """Calls a coroutine function with a flood and its socket, which is closed behind it."""

    def run(play):
        async def main():
            flood = Flood(host, url)

            async def use(ws, start):
                ws.onmessage = flood.handler
                start()
                await flood.until(lambda: len(flood.begun) == HELD_AT)
                await play(flood, ws)
                ws.close()
                await ws.closed()

            use.host = host
            await end(url, request.param, use)
            return flood

        flood = host.run(main)
        assert host.reported == []
        return flood

    return run


def test_no_more_than_17_are_begun(flood):
    async def play(flood, ws):
        await flood.others_had_their_turns()
        assert len(flood.begun) == HELD_AT and flood.done == []
        flood.go.set()
        await flood.until(lambda: len(flood.done) == COUNT)

    assert flood(play).done == list(range(COUNT))


def test_resume_does_not_go_over_the_limit(flood):
    async def play(flood, ws):
        ws.pause()
        ws.resume()
        await flood.others_had_their_turns()
        assert len(flood.begun) == HELD_AT
        flood.go.set()
        await flood.until(lambda: len(flood.done) == COUNT)

    assert flood(play).done == list(range(COUNT))


def test_a_pause_outlasts_the_limit(flood):
    async def play(flood, ws):
        ws.pause()
        flood.go.set()
        await flood.until(lambda: len(flood.done) == HELD_AT)
        await flood.others_had_their_turns()
        assert len(flood.begun) == HELD_AT
        ws.resume()
        await flood.until(lambda: len(flood.done) == COUNT)

    assert flood(play).done == list(range(COUNT))


def test_a_socket_that_is_held_can_be_closed(flood):
    async def play(flood, ws):
        closes = []
        ws.onclose = closes.append
        ws.close()
        await ws.closed()
        assert len(closes) == 1 and len(flood.begun) == HELD_AT
        flood.go.set()
        await flood.until(lambda: len(flood.done) == HELD_AT)

    assert flood(play).done == list(range(HELD_AT))


def test_a_handler_that_raises_counts_as_finished(host):
    def flood(ws):
        for number in range(COUNT):
            ws.send(str(number))
        ws.close(1000)

    begun = []

    async def main(url):
        ws = WebSocket(url)

        @ws.on("message")
        async def fail(event):
            begun.append(event.data)
            await host.sleep(0)
            raise KeyError(event.data)

        over = host.event()

        @ws.on("close")
        async def closed(event):
            over.set()

        await over.wait()

    with running_server(flood) as server:
        host.run(main, f"ws://127.0.0.1:{server.port}")
    assert begun == [error.args[0] for error in host.reported] == [str(number) for number in range(COUNT)]
