"""What is sent while a file is on its way: broadcasts, more messages, Close."""

import os

import pytest
from conftest import running_server

import tightwire
from tightwire import Blob, WebSocket


@pytest.fixture
def path(tmp_path):
    return tmp_path / "content"


def talk(handler, **options):
    """What a client hears of a server whose `handler(server, ws)` answers its one message, until it is over."""
    seen, servers = [], []

    def greet(ws):
        ws.onmessage = lambda event: handler(servers[0], ws)

    with running_server(greet, **options) as server:
        servers.append(server)
        ws = WebSocket(f"ws://127.0.0.1:{server.port}", binary="bytes", limits=tightwire.Limits(max_message=1 << 30))
        ws.onopen = lambda event: ws.send("go")
        ws.onmessage = lambda event: seen.append(event.data)
        tightwire.run()
    return seen, ws.close_event


# The first of two small ones fills the queue, so that the second one waits before it has begun.
@pytest.mark.parametrize("cuts", [[3_000_000], [100_000, 100_010]])
def test_a_broadcast_goes_behind_a_file_and_all_that_waits_for_it(path, cuts):
    path.write_bytes(os.urandom(cuts[-1]))
    data, blob, counts = path.read_bytes(), Blob.from_file(path), []
    ranges = list(zip([0, *cuts], cuts))

    def answer(server, ws):
        for start, end in ranges:
            ws.send(blob.slice(start, end))
        ws.send("between")
        counts.append(server.broadcast("to all"))
        ws.send("behind")
        ws.close(4000)
        counts.append(server.broadcast("too late"))

    seen, closed = talk(answer)
    assert seen == [*(data[start:end] for start, end in ranges), "between", "to all", "behind"]
    assert closed.code == 4000 and counts == [1, 0]


def test_a_broadcast_reaches_those_without_files_as_well(path):
    path.write_bytes(os.urandom(3_000_000))
    accepted, seen = [], {}

    def greet(ws):
        accepted.append(ws)
        if len(accepted) == 2:
            accepted[0].send(Blob.from_file(path))
            assert server.broadcast("to all") == 2
            server.close()

    with tightwire.Loop() as loop:
        server = tightwire.serve(greet, loop=loop)

        def connect():
            ws = WebSocket(f"ws://127.0.0.1:{server.port}", binary="bytes", loop=loop)
            ws.onmessage = lambda event: seen.setdefault(ws, []).append(event.data)

        connect()
        connect()
        loop.run()
    assert sorted(seen.values(), key=len) == [["to all"], [path.read_bytes(), "to all"]]
