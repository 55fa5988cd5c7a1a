"""What is sent while a file is on its way: broadcasts, more messages, Close."""

import os
import socket

import pytest
from conftest import running_server

import tightwire
from tightwire import Blob, BufferFull, Limits, WebSocket


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
        ws = WebSocket(f"ws://127.0.0.1:{server.port}", binary="bytes", limits=Limits(max_message=1 << 30))
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


@pytest.mark.parametrize("data", [b"x" * 400, ""])
def test_what_waits_behind_a_file_has_a_limit(path, url, data):
    path.write_bytes(os.urandom(3_000_000))
    ws, states = WebSocket(url, limits=Limits(max_send_buffer=1000)), []

    def opened(event):
        ws.send(Blob.from_file(path))
        for _ in range(600):
            ws.send(data)
            states.append(ws.readyState)

    ws.onopen = opened
    tightwire.run()
    assert isinstance(ws.error, BufferFull) and ws.close_event.code == 1006
    assert ws.error.limit == 1000 <= ws.error.buffered
    assert states.index(ws.CLOSING) == -(-1000 // (len(data) + 2))


def test_a_broadcast_leaves_out_who_has_too_much_behind_a_file(path):
    path.write_bytes(os.urandom(3_000_000))
    counts = []

    def answer(server, ws):
        ws.send(Blob.from_file(path))
        counts.extend(server.broadcast(b"x" * 600) for _ in range(3))
        ws.close()

    seen, closed = talk(answer, limits=Limits(max_send_buffer=1000))
    assert counts == [1, 1, 0] and closed.wasClean
    assert [len(data) for data in seen] == [3_000_000, 600, 600]


@pytest.mark.parametrize(("compress", "whole"), [(False, False), (True, True), (None, True)])
@pytest.mark.parametrize("size", [300_000, 100])
def test_who_sends_a_file_decides_about_compression(path, compress, whole, size):
    path.write_bytes(bytes(size))
    seen = []
    deflate = tightwire.Deflate(threshold=1)

    def greet(ws):
        ws.onmessage = lambda event: (seen.append(event.data.size), ws.close())

    with running_server(greet, compression=deflate) as server:
        ws = WebSocket(f"ws://127.0.0.1:{server.port}", compression=deflate)
        ws.onopen = lambda event: ws.send(Blob.from_file(path), compress=compress)
        tightwire.run()
    assert seen == [size]
    assert ws.stats.deflate_sent == (size if whole else 0)


@pytest.fixture(params=["fifo", "open fifo", "socket", "directory", "device"])
def special(request, tmp_path):
    """Something with a name or a descriptor that is no regular file."""
    name = tmp_path / "special"
    if request.param == "socket":
        one, other = socket.socketpair()
        with one, other:
            yield one
    elif request.param == "open fifo":
        os.mkfifo(name)
        with open(os.open(name, os.O_RDWR), "rb", buffering=0) as file:
            yield file
    elif request.param == "fifo":
        os.mkfifo(name)
        yield name
    else:
        yield tmp_path if request.param == "directory" else "/dev/null"


def test_what_is_no_regular_file_is_refused(special):
    with pytest.raises(TypeError, match="a regular file expected"):
        Blob.from_file(special)


@pytest.mark.parametrize("make", [lambda: socket.socket(), lambda: open("/dev/zero", "rb")])
def test_it_is_not_sent_either(url, make):
    ws, errors = WebSocket(url), []

    def opened(event):
        with make() as special, pytest.raises(TypeError, match="a regular file expected") as caught:
            ws.send(special)
        errors.append(caught.value)
        ws.close()

    ws.onopen = opened
    tightwire.run()
    assert len(errors) == 1


def test_a_descriptor_that_is_none_is_refused():
    class Closed:
        def fileno(self):
            return -1

    with pytest.raises(ValueError, match="closed"):
        Blob.from_file(Closed())
