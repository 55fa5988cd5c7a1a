"""Compression: modes, choices and counts, between our own and with `websockets`."""

import socket
import threading

import pytest
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server
from conftest import SECONDS, echo, running_server

import tightwire
from tightwire import Deflate, Stats, WebSocket

MODES = ["shared", "dedicated", "parked"]
TEXT = "".join(f'{{"id": {n}, "name": "somebody", "ok": true}},' for n in range(100))


@pytest.fixture
def talk(play):
    """Opens a URL, calls `send`, and closes after `count` messages: the socket and the messages. On every loop."""

    def talk(url, send, count, **options):
        got = []

        def setup():
            def on_message(event):
                got.append(event.data)
                if len(got) == count:
                    ws.close(1000)

            ws = WebSocket(url, **options)
            ws.onopen = lambda event: send(ws)
            ws.onmessage = on_message
            return ws

        return play(setup), got

    return talk


def url_of(server):
    return f"ws://localhost:{server.port}/"


@pytest.mark.parametrize("ours", MODES)
@pytest.mark.parametrize("theirs", MODES)
def test_every_mode_with_every_mode(talk, ours, theirs):
    messages = [TEXT, TEXT.encode(), "", b"x", TEXT[:200], "é" * 1000, bytes(100_000)] * 3
    with running_server(echo, compression=Deflate(theirs, threshold=1)) as server:

        def send(ws):
            for message in messages:
                ws.send(message)

        ws, got = talk(url_of(server), send, len(messages), compression=Deflate(ours, threshold=1))
    assert got == messages
    assert ws.extensions.startswith("permessage-deflate")
    assert ("server_no_context_takeover" in ws.extensions) == ("shared" in (ours, theirs))
    stats = ws.stats
    assert isinstance(stats, Stats)
    assert 0 < stats.deflate_sent_compressed < stats.deflate_sent / 3
    assert 0 < stats.deflate_received_compressed < stats.deflate_received / 3


def test_the_defaults_are_an_offer_and_no_acceptance(talk):
    with running_server(echo) as server:
        ws, _ = talk(url_of(server), lambda ws: ws.send(TEXT, compress=True), 1)
        assert (ws.extensions, ws.stats[:4]) == ("", Stats()[:4])
        ws, _ = talk(url_of(server), lambda ws: ws.send(TEXT), 1, compression=True)
        assert ws.extensions == ""
    with running_server(echo, compression=True) as server:
        ws, _ = talk(url_of(server), lambda ws: ws.send(TEXT), 1)
        assert ws.extensions == "permessage-deflate"
        assert ws.stats.deflate_sent == len(TEXT)
        ws, _ = talk(url_of(server), lambda ws: ws.send(TEXT), 1, compression=False)
        assert (ws.extensions, ws.stats[:4]) == ("", Stats()[:4])


def request_of(**options):
    """What a client sends first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heads = []

        def read():
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(SECONDS)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += peer.recv(4096)
                heads.append(head.decode())

        thread = threading.Thread(target=read)
        thread.start()
        WebSocket(f"ws://127.0.0.1:{listener.getsockname()[1]}/", **options).run()
        thread.join(SECONDS)
    return heads[0]


@pytest.mark.parametrize(
    ("compression", "offer"),
    [
        (None, "permessage-deflate; client_max_window_bits"),
        (True, "permessage-deflate; client_max_window_bits"),
        (False, None),
        (
            Deflate("shared"),
            "permessage-deflate; client_max_window_bits; server_no_context_takeover; client_no_context_takeover",
        ),
        (
            Deflate("parked"),
            "permessage-deflate; client_max_window_bits; server_max_window_bits=12,"
            " permessage-deflate; client_max_window_bits",
        ),
    ],
)
def test_what_is_offered(compression, offer):
    fields = dict(
        line.split(": ", 1) for line in request_of(compression=compression).split("\r\n") if ": " in line
    )
    assert fields.get("Sec-WebSocket-Extensions") == offer


def test_the_choice_for_one_message_and_the_threshold(talk):
    with running_server(echo, compression=Deflate(threshold=100)) as server:
        counts = []

        def send(ws):
            for data, compress in [("x" * 99, None), ("x" * 500, False), ("x" * 100, None), ("xyz", True)]:
                ws.send(data, compress=compress)
                counts.append(ws.stats.deflate_sent)

        talk(url_of(server), send, 4, compression=Deflate(threshold=100))
    assert counts == [0, 0, 100, 103]


def test_a_message_over_the_limit_after_inflating(talk):
    with running_server(echo, compression=True, limits=tightwire.Limits(max_message=1000)) as server:
        ws, got = talk(url_of(server), lambda ws: ws.send("x" * 1001), 1)
        assert got == [] and ws.close_event.code == 1009
    with running_server(lambda ws: ws.send("x" * 1001), compression=True) as server:
        ws, _ = talk(url_of(server), lambda ws: None, 1, limits=tightwire.Limits(max_message=1000))
        assert ws.close_event.code == 1006
        assert isinstance(ws.error, tightwire.PayloadTooBig)


def test_compressed_data_that_is_none_fails_the_connection():
    with running_server(lambda ws: None, compression=True) as server:
        with websockets.sync.client.connect(url_of(server)) as client:
            # A text frame with RSV1 and a reserved kind of block.
            client.socket.sendall(bytes([0xC1, 0x82, 0, 0, 0, 0, 0x06, 0x00]))
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as closed:
                client.recv(SECONDS)
    assert closed.value.rcvd.code == 1007


def test_sends_of_other_threads_are_compressed_too(talk):
    with running_server(echo, compression=True) as server:

        def send(ws):
            threads = [threading.Thread(target=ws.send, args=(TEXT,), kwargs={"compress": True}) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(SECONDS)

        ws, got = talk(url_of(server), send, 4)
    assert got == [TEXT] * 4 and ws.stats.deflate_sent == 4 * len(TEXT)


@pytest.mark.parametrize(
    ("compression", "error", "text"),
    [
        (Deflate("none"), ValueError, "mode"),
        (Deflate(level=0), ValueError, "level"),
        (Deflate(level=10), ValueError, "level"),
        (Deflate(memory_level=1000), ValueError, "memory_level"),
        (Deflate(window_bits=8), ValueError, "window_bits"),
        (Deflate(peer_window_bits=16), ValueError, "peer_window_bits"),
        (Deflate(threshold=-1), ValueError, "threshold"),
        ("deflate", TypeError, "compression"),
        (1, TypeError, "compression"),
    ],
)
def test_bad_arguments(compression, error, text):
    with pytest.raises(error, match=text):
        WebSocket("ws://127.0.0.1:1/", compression=compression)
    with pytest.raises(error, match=text):
        tightwire.serve(echo, compression=compression)


@pytest.mark.parametrize("mode", MODES)
def test_websockets_as_client(mode):
    with running_server(echo, compression=Deflate(mode, threshold=1)) as server:
        with websockets.sync.client.connect(url_of(server), max_size=None) as client:
            for data in [TEXT, TEXT.encode(), "", b"x", "é" * 40_000] * 3:
                client.send(data)
                assert client.recv(SECONDS) == data
            (extension,) = client.protocol.extensions
            assert extension.remote_no_context_takeover == (mode == "shared")


@pytest.mark.parametrize("mode", MODES)
def test_websockets_as_server(talk, mode):
    def handle(peer):
        for data in peer:
            peer.send(data)

    with websockets.sync.server.serve(handle, "127.0.0.1", 0, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        messages = [TEXT, TEXT.encode(), "", b"x", "é" * 40_000] * 3
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"

        def send(ws):
            for message in messages:
                ws.send(message)

        ws, got = talk(url, send, len(messages), compression=Deflate(mode, threshold=1))
        server.shutdown()
        thread.join(SECONDS)
    assert got == messages
    assert ws.stats.deflate_received == sum(len(m.encode() if isinstance(m, str) else m) for m in messages)
