"""Blob and ArrayBuffer: by themselves, received, and sent, also from files."""

import array
import os
import threading

import numpy
import pytest
from conftest import SECONDS, accept_upgrade, raw_server, running_server

import tightwire
from tightwire import ArrayBuffer, Blob, NotReadableError, WebSocket


def test_a_blob_is_made_of_parts():
    blob = Blob(["ä", b"bc", bytearray(b"d"), memoryview(b"xey")[1:2], array.array("B", [102]), Blob(["g"])])
    assert bytes(blob) == "äbcdefg".encode() and blob.size == len(blob) == 8
    assert bytes(Blob()) == b"" and bool(Blob())
    assert bytes(Blob(["\ud800"])) == b"\xef\xbf\xbd"
    assert bytes(Blob(["a\r\nb\rc\n"], endings="native")) == b"a\nb\nc\n"
    assert bytes(Blob(["a\r\nb"])) == b"a\r\nb"


@pytest.mark.parametrize("wrong", ["text", b"bytes", Blob(), 5, [5], [None]])
def test_what_is_no_list_of_parts_is_refused(wrong):
    with pytest.raises(TypeError):
        Blob(wrong)
    with pytest.raises(ValueError, match="endings"):
        Blob([], endings="other")


@pytest.mark.parametrize(
    ("given", "kept"), [("Text/Plain", "text/plain"), ("", ""), ("tex\u00e4t", ""), ("a\x1fb", "")]
)
def test_the_type_is_in_lower_case_and_ascii(given, kept):
    assert Blob([], type=given).type == kept
    assert Blob([b"x"]).slice(0, 1, given).type == kept


@pytest.mark.parametrize(
    "arguments", [(), (2,), (2, 5), (-3,), (-3, -1), (5, 2), (0, 100), (-100, 3), (100,), (0, None)]
)
def test_slices_are_those_of_bytes(arguments):
    data = b"0123456789"
    start, end = (*arguments, None, None)[:2]
    expected = data[start:end]
    assert bytes(Blob([data]).slice(*arguments)) == expected
    assert bytes(ArrayBuffer(data).slice(*arguments)) == expected
    assert bytes(Blob([b"xx", data]).slice(2).slice(*arguments)) == expected


def test_blobs_have_a_buffer_and_cannot_be_written():
    blob = Blob([b"abc"])
    view = memoryview(blob)
    assert view.readonly and bytes(view) == b"abc" and str(blob, "utf-8") == "abc"
    del blob
    assert bytes(view[1:]) == b"bc"
    with pytest.raises(TypeError):
        view[0] = 1
    assert numpy.frombuffer(Blob([b"\x01\x00\x02\x00"]), "<u2").tolist() == [1, 2]
    assert not numpy.frombuffer(Blob([b"x"]), "u1").flags.writeable


def test_blobs_compare_by_content():
    blob = Blob([b"abc"], type="a/b")
    assert blob == Blob([b"ab", b"c"]) == b"abc" == blob == bytearray(b"abc")
    assert blob != Blob([b"abd"]) and blob != "abc" and blob != 5 and not blob == b"abcd"
    assert hash(blob) == hash(b"abc") and {blob: 1}[b"abc"] == 1
    assert repr(blob) == "<Blob 3 bytes a/b>" and repr(Blob([b"x"])) == "<Blob 1 byte>"
    with pytest.raises(TypeError):
        blob < b"abd"


def test_blobs_are_read_by_await(host):
    data = bytes(range(256)) * 300

    async def main():
        blob = Blob([b"\xef\xbb\xbfa\xffb"])
        assert await blob.text() == "a\ufffdb"
        assert await blob.bytes() == bytes(blob)
        buffer = await blob.arrayBuffer()
        assert type(buffer) is ArrayBuffer and buffer == blob
        return [piece async for piece in Blob([data]).stream()]

    pieces = host.run(main)
    assert b"".join(pieces) == data and max(map(len, pieces)) == 65536


def test_array_buffers_can_be_written():
    buffer = ArrayBuffer(4)
    assert bytes(buffer) == b"\0\0\0\0" and buffer.byteLength == len(buffer) == buffer.maxByteLength == 4
    view = memoryview(buffer)
    view[1] = 7
    numpy.frombuffer(buffer, "u1")[2] = 8
    assert buffer == b"\0\7\10\0" and not buffer.resizable and not buffer.detached
    copy = buffer.slice(1)
    view[1] = 0
    assert copy == b"\7\10\0" and ArrayBuffer(b"ab") == b"ab" and bool(ArrayBuffer())
    assert ArrayBuffer.isView(view) and not ArrayBuffer.isView(buffer) and repr(buffer) == "<ArrayBuffer 4 bytes>"
    with pytest.raises(TypeError):
        hash(buffer)


@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), (1 << 32, ValueError), ("x", TypeError), (True, TypeError), (1.5, TypeError)]
)
def test_what_is_no_length_is_refused(wrong, error):
    with pytest.raises(error, match="length"):
        ArrayBuffer(wrong)


def test_binary_type_is_read_when_the_event_is_fired(play, url):
    seen = []

    def setup():
        ws = WebSocket(url)
        assert ws.binaryType == "blob"

        def opened(event):
            for _ in range(4):
                ws.send(b"\0\xff")

        def message(event):
            seen.append(type(event.data))
            assert event.data == b"\0\xff"
            ws.binaryType = ["arraybuffer", "blob", "nonsense", "blob"][len(seen) - 1]
            if len(seen) == 4:
                ws.close()

        ws.onopen, ws.onmessage = opened, message

    play(setup)
    assert seen == [Blob, ArrayBuffer, Blob, Blob]


@pytest.mark.parametrize(("keyword", "kind"), [("mirror", Blob), ("bytes", bytes), ("memoryview", memoryview)])
def test_the_keyword_binary(play, keyword, kind):
    seen = []

    def greet(ws):
        ws.onmessage = lambda event: (seen.append(type(event.data)), ws.send(event.data))

    with running_server(greet, binary=keyword) as server:

        def setup():
            ws = WebSocket(f"ws://127.0.0.1:{server.port}", binary=keyword)
            ws.onopen = lambda event: ws.send(b"x")
            ws.onmessage = lambda event: (seen.append(type(event.data)), ws.close())

        play(setup)
    assert seen == [kind, kind]


def test_binary_is_checked(url):
    with pytest.raises(ValueError, match='binary: "mirror", "bytes" or "memoryview" expected, not "blob"'):
        WebSocket(url, binary="blob")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4)
    return path


def test_a_blob_of_a_file(path):
    blob = Blob.from_file(path, type="A/B")
    assert (blob.size, blob.type) == (1024, "a/b") and bytes(blob) == path.read_bytes()
    assert bytes(blob.slice(255, 258)) == b"\xff\0\1"
    assert bytes(Blob([b"<", blob.slice(0, 2), b">"])) == b"<\0\1>"
    assert blob == blob and blob != Blob.from_file(path) and hash(blob) == hash(blob)
    with pytest.raises(BufferError, match="read it"):
        memoryview(blob)
    with path.open("rb") as file:
        file.read(1000)
        rest = Blob.from_file(file)
        assert file.read(2) == b"\xe8\xe9"
    path.unlink()
    assert bytes(rest) == bytes(range(1000 % 256, 256))


def test_a_blob_of_a_file_is_awaited(host, path):
    async def main():
        return await Blob.from_file(path).bytes()

    assert host.run(main) == path.read_bytes()


def test_a_file_that_changed_cannot_be_read(path):
    blob = Blob.from_file(path)
    os.truncate(path, 10)
    with pytest.raises(NotReadableError, match="cannot be read") as caught:
        bytes(blob)
    assert caught.value.name == "NotReadableError" and isinstance(caught.value, OSError)
    with pytest.raises(FileNotFoundError):
        Blob.from_file(path.with_name("missing"))
    with pytest.raises(TypeError):
        Blob.from_file(5)


def large(tmp_path, size=3_000_000):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(size))
    return path


@pytest.mark.parametrize("how", ["blob", "file"])
@pytest.mark.parametrize("compression", [True, False])
def test_a_file_is_sent_in_order(play, tmp_path, how, compression):
    path = large(tmp_path)
    seen, amounts = [], []

    def greet(ws):
        ws.onmessage = lambda event: seen.append(event.data)

    with running_server(greet, compression=compression, binary="bytes") as server:

        def setup():
            ws = WebSocket(f"ws://127.0.0.1:{server.port}", compression=compression)

            def opened(event):
                ws.send("before")
                if how == "blob":
                    ws.send(Blob.from_file(path).slice(1000))
                else:
                    with path.open("rb") as file:
                        file.seek(1000)
                        ws.send(file)
                ws.send("between")
                ws.send(Blob.from_file(path).slice(0, 0))
                ws.send(b"behind")
                amounts.append(ws.bufferedAmount)
                ws.close(4000)
                assert ws.readyState == ws.CLOSING
                ws.send("too late")

            ws.onopen = opened
            ws.onclose = lambda event: amounts.append((event.code, ws.bufferedAmount))

        play(setup)
    data = path.read_bytes()
    assert seen == ["before", data[1000:], "between", b"", b"behind"]
    assert amounts == [6 + len(data) - 1000 + 7 + 6, (4000, len("too late"))]


def test_a_server_sends_files(play, tmp_path):
    path = large(tmp_path)
    seen = []

    def greet(ws):
        ws.send(Blob.from_file(path))
        ws.close(1000)

    with running_server(greet) as server:

        def setup():
            ws = WebSocket(f"ws://127.0.0.1:{server.port}")
            ws.onmessage = lambda event: seen.append(bytes(event.data))

        play(setup)
    assert seen == [path.read_bytes()]


def test_zeros_that_shrink_to_nothing_arrive(play, tmp_path):
    path = tmp_path / "zeros"
    path.write_bytes(bytes(5_000_000))
    seen = []

    def greet(ws):
        ws.onmessage = lambda event: (seen.append(event.data == bytes(5_000_000)), ws.close())

    with running_server(greet, compression=True) as server:

        def setup():
            ws = WebSocket(f"ws://127.0.0.1:{server.port}")
            ws.onopen = lambda event: ws.send(Blob.from_file(path))
            ws.onclose = print

        play(setup)
    assert seen == [True]


def test_a_file_that_cannot_be_read_fails_the_connection(play, url, path, log):
    def setup():
        ws = log.watch(WebSocket(url))

        def opened(event):
            blob = Blob.from_file(path)
            os.truncate(path, 10)
            ws.send(blob)
            ws.send("behind")
            assert ws.bufferedAmount == 1030

        ws.onopen = opened
        return ws

    ws = play(setup)
    assert isinstance(ws.error, NotReadableError) and ws.bufferedAmount == 1030
    assert log.kinds == ["open", "error", "close"]


def test_a_file_is_read_as_the_peer_takes_it(play, tmp_path):
    path = large(tmp_path, 8_000_000)
    go, received = threading.Event(), []

    def script(connection):
        accept_upgrade(connection)
        assert go.wait(SECONDS)
        count = 0
        while chunk := connection.recv(1 << 20):
            count += len(chunk)
        received.append(count)

    with raw_server(script) as url:

        def setup():
            # Much less than the file: it would be refused in one piece.
            limits = tightwire.Limits(max_send_buffer=100_000)
            ws = WebSocket(url, compression=False, limits=limits, close_timeout=0.05)

            def opened(event):
                ws.send(Blob.from_file(path))
                assert ws.bufferedAmount == 8_000_000
                ws.close()
                go.set()

            ws.onopen = opened

        play(setup)
    frames = -(-8_000_000 // 65536)
    assert received == [8_000_000 + 14 * (frames - 1) + 8 + 6]


def test_a_file_from_another_thread(play, url, tmp_path):
    path = large(tmp_path, 500_000)
    seen = []

    def setup():
        ws = WebSocket(url)

        def opened(event):
            threading.Thread(target=lambda: (ws.send(Blob.from_file(path)), ws.send("x"))).start()

        def message(event):
            seen.append(len(event.data))
            if len(seen) == 2:
                ws.close()

        ws.onopen, ws.onmessage = opened, message

    play(setup)
    assert seen == [500_000, 1]


def test_a_file_on_its_way_keeps_the_socket(play, tmp_path):
    path = large(tmp_path)
    seen = []

    def greet(ws):
        ws.onmessage = lambda event: seen.append(len(event.data))

    with running_server(greet) as server:

        def setup():
            ws = WebSocket(f"ws://127.0.0.1:{server.port}")
            ws.onopen = lambda event: event.target.send(Blob.from_file(path))

        play(setup)
    assert seen == [3_000_000]
