"""What a browser's WebSocket does with data: sizes, buffers, files, and handlers that raise."""

import asyncio
import hashlib
import io
import subprocess
import sys
import textwrap

import numpy
import pytest
from conftest import SECONDS, accept_upgrade, raw_server, running_server, wait_for_end

import tightwire
from tightwire import ArrayBuffer, Blob, Limits, WebSocket

MIB = 1 << 20


def test_a_message_of_64_mib_comes_back_where_limits_allow_it():
    data = hashlib.shake_256(b"64 MiB").digest(MIB) * 64
    limits = Limits(max_message=64 * MIB, max_send_buffer=128 * MIB)
    echoes = []

    def greet(ws):
        ws.onmessage = lambda event: ws.send(event.data)

    with running_server(greet, limits=limits) as server:
        ws = WebSocket(f"ws://127.0.0.1:{server.port}/", limits=limits, compression=False)
        ws.binaryType = "arraybuffer"

        def message(event):
            echoes.append((event.data.byteLength, event.data == data))
            ws.close()

        ws.onopen, ws.onmessage = lambda event: ws.send(data), message
        assert ws.run().wasClean
    assert echoes == [(64 * MIB, True)]


def test_a_received_array_buffer_is_memory_of_its_own(play, url):
    seen = []

    def setup():
        ws = WebSocket(url)
        ws.binaryType = "arraybuffer"

        def message(event):
            view = memoryview(event.data)
            assert type(event.data) is ArrayBuffer and view.nbytes == event.data.byteLength == 8
            numbers = numpy.frombuffer(event.data, "<u2")
            assert numbers.tolist() == [1, 2, 3, 4] and numbers.flags.writeable
            numbers *= 2
            seen.append(bytes(event.data))
            ws.close()

        ws.onopen = lambda event: ws.send(numpy.array([1, 2, 3, 4], "<u2"))
        ws.onmessage = message

    play(setup)
    assert seen == [b"\2\0\4\0\6\0\10\0"]


def test_an_array_that_is_written_to_after_send_arrives_as_it_was(play, url):
    seen = []

    def setup():
        # The canvas of 400 by 320 points.
        image = numpy.full((320, 400, 4), 7, "u1")
        ws = WebSocket(url)

        def opened(event):
            ws.send(image)
            image.fill(0)

        def message(event):
            seen.append((event.data.size, event.data == bytes([7]) * 512_000))
            ws.close()

        ws.onopen, ws.onmessage = opened, message

    play(setup)
    assert seen == [(512_000, True)]


@pytest.mark.parametrize("rest", [0, 3, 10])
def test_the_rest_of_a_file_in_memory_is_sent(play, url, rest):
    seen = []

    def setup():
        ws = WebSocket(url)
        file = io.BytesIO(b"0123456789")
        file.seek(10 - rest)
        with pytest.raises(tightwire.InvalidStateError):
            ws.send(file)
        assert file.tell() == 10 - rest

        def opened(event):
            ws.send("before")
            ws.send(file)
            assert ws.bufferedAmount == 6 + rest and file.tell() == 10
            ws.send("behind")

        def message(event):
            seen.append(event.data)
            if len(seen) == 3:
                ws.close()

        ws.onopen, ws.onmessage = opened, message

    play(setup)
    assert seen == ["before", Blob([b"0123456789"[10 - rest :]]), "behind"]


def test_what_is_no_file_of_bytes_is_refused(play, url):
    refused = []

    class Silent:
        def read(self):
            return None

    def setup():
        ws = WebSocket(url)

        def opened(event):
            for wrong in io.StringIO("text"), Silent(), object(), 5, None, ["x"], {}:
                with pytest.raises(TypeError, match="send|str|bytes"):
                    ws.send(wrong)
                refused.append(wrong)
            closed = io.BytesIO(b"x")
            closed.close()
            with pytest.raises(ValueError, match="closed file"):
                ws.send(closed)
            assert ws.bufferedAmount == 0
            ws.close()

        ws.onopen = opened

    play(setup)
    assert len(refused) == 7


def test_a_file_of_200_mb_takes_no_memory_worth_mentioning(tmp_path):
    """Sparse, so that no disk has to read it. A process of its own, since what counts is the most that it ever had."""
    size, received = 200_000_000, []
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(size)
    program = """
        import resource, sys, tightwire
        ws = tightwire.WebSocket(sys.argv[1], compression=False, close_timeout=60)
        most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def opened(event):
            global before
            before = most()
            ws.send(tightwire.Blob.from_file(sys.argv[2]))
            ws.send("behind")
            ws.close()

        ws.onopen = opened
        ws.run()
        print(most() - before)
    """
    frames = -(-size // 65536)
    whole = size + 14 * (frames - 1) + 8 + 12 + 6

    def script(connection):
        accept_upgrade(connection)
        room, count, tail = bytearray(MIB), 0, b""
        while count < whole:
            got = connection.recv_into(room)
            assert got
            count, tail = count + got, (tail + room[:got])[-18:]
        received.append((count, tail))
        connection.sendall(b"\x88\x00")
        wait_for_end(connection)

    with raw_server(script) as url:
        command = [sys.executable, "-c", textwrap.dedent(program), url, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    count, tail = received[0]
    key, masked = tail[2:6], tail[6:12]
    assert count == whole and bytes(one ^ key[at % 4] for at, one in enumerate(masked)) == b"behind"
    assert int(done.stdout) * 1024 < 8_000_000


def test_what_a_handler_raises_is_told_once_and_the_connection_goes_on(play, url, log, monkeypatch):
    told, echoes = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: told.append(info.exc_value))

    def setup():
        try:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
        except RuntimeError:
            pass  # Not in asyncio.
        ws = log.watch(WebSocket(url))

        def message(event):
            echoes.append(event.data)
            if event.data == "one":
                raise ZeroDivisionError("mine")
            ws.close(1000)

        ws.onopen, ws.onmessage = lambda event: (ws.send("one"), ws.send("two")), message

    play(setup)
    assert echoes == ["one", "two"] and [str(error) for error in told] == ["mine"]
    assert log[-1] == ("close", 3, 1000, "", True)


@pytest.mark.parametrize("name", ["CONNECTING", "OPEN", "CLOSING", "CLOSED", "send", "readyState", "ready_state"])
def test_nobody_changes_the_class_for_all_others(name):
    before = getattr(WebSocket, name)
    with pytest.raises(TypeError, match="immutable"):
        setattr(WebSocket, name, 5)
    with pytest.raises(TypeError, match="immutable"):
        delattr(WebSocket, name)
    with pytest.raises(TypeError, match="immutable"):
        tightwire.EventTarget.other = 5
    assert getattr(WebSocket, name) == before


def test_a_class_of_ones_own_may_be_changed():
    class Mine(WebSocket):
        OPEN = 7

    Mine.CLOSED = Mine.more = 5
    assert (Mine.OPEN, Mine.CLOSED, Mine.more, WebSocket.OPEN, WebSocket.CLOSED) == (7, 5, 5, 1, 3)


def test_names_in_pythons_style_are_the_same_members():
    for name, other in [("readyState", "ready_state"), ("bufferedAmount", "buffered_amount"), ("binaryType", "binary_type"),
                        ("addEventListener", "add_event_listener"), ("dispatchEvent", "dispatch_event")]:  # fmt: skip
        assert getattr(WebSocket, name) == getattr(WebSocket, other)
