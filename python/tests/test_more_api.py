"""What the package has beyond the browser, or besides it, in Python's own terms."""

import asyncio
import gzip
import inspect
import io
import ssl
import threading
from contextlib import suppress

import pytest
from conftest import Log, accept_upgrade, play_asyncio, raw_server, read_head, running_server, wait_for_end

import tightwire
from tightwire import Handshake, Limits, MessageEvent, WebSocket

ALIASES = {
    tightwire.Event: ["currentTarget", "eventPhase", "composedPath", "timeStamp", "defaultPrevented", "isTrusted",
                      "preventDefault", "stopImmediatePropagation", "stopPropagation"],
    tightwire.MessageEvent: ["lastEventId", "currentTarget"],
    tightwire.CloseEvent: ["wasClean", "timeStamp"],
    tightwire.Blob: ["arrayBuffer"],
    tightwire.ArrayBuffer: ["byteLength", "maxByteLength", "isView"],
    tightwire.WebSocket: ["readyState", "bufferedAmount", "binaryType", "addEventListener"],
}  # fmt: skip


def snake(name):
    return "".join("_" + char.lower() if char.isupper() else char for char in name)


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in ALIASES.items() for name in names])
def test_a_name_of_the_standard_has_a_second_spelling(owner, name):
    assert inspect.getattr_static(owner, name) is inspect.getattr_static(owner, snake(name), None) or (
        getattr(owner, name) == getattr(owner, snake(name))
    )


def test_no_name_of_the_standard_is_left_out():
    for owner in ALIASES:
        for name in vars(owner):
            if not name.startswith("_") and name != name.lower() and name != name.upper():
                assert hasattr(owner, snake(name)), f"{owner.__name__}.{name}"


def test_the_second_spelling_does_the_same():
    event = tightwire.Event("x", cancelable=True)
    event.prevent_default()
    assert event.default_prevented is True and event.time_stamp == event.timeStamp and not event.composed_path()
    assert tightwire.CloseEvent("close", wasClean=True).was_clean is True
    assert tightwire.ArrayBuffer(3).byte_length == 3 and tightwire.ArrayBuffer.is_view(memoryview(b""))
    assert bytes(asyncio.run(tightwire.Blob(["a"]).array_buffer())) == b"a"


def test_a_message_event_may_be_made_whole():
    port = object()
    event = MessageEvent("message", data=1, origin="o", lastEventId="7", source=port, ports=[port])
    assert (event.data, event.origin, event.lastEventId, event.source, event.ports) == (1, "o", "7", port, (port,))
    plain = MessageEvent("message")
    assert (plain.data, plain.lastEventId, plain.last_event_id, plain.source, plain.ports) == (None, "", "", None, ())
    with pytest.raises(TypeError):
        MessageEvent("message", ports=7)
    with pytest.raises(TypeError):
        MessageEvent("message", lastEventId=7)


def test_a_dom_exception_has_a_message(url):
    ws = WebSocket(url)
    with pytest.raises(tightwire.DOMException) as raised:
        ws.send("early")
    ws.onopen = lambda event: ws.close()
    ws.run()
    assert raised.value.message == str(raised.value) and "not open yet" in raised.value.message
    assert (raised.value.name, raised.value.code) == ("InvalidStateError", 11)


def test_a_full_buffer_is_an_exceeded_quota():
    full = tightwire.BufferFull(9, 8)
    assert isinstance(full, tightwire.QuotaExceededError) and isinstance(full, tightwire.DOMException)
    assert (full.name, full.code, full.phase, full.limit) == ("QuotaExceededError", 4, "app", 8)
    assert full.message == str(full) and "max_send_buffer" in full.message
    assert tightwire.QuotaExceededError("x").code == 22


@pytest.mark.parametrize(
    ("data", "size"),
    [(b"\x82\x14" + bytes(20), 20), (b"\x02\x06" + bytes(6) + b"\x80\x06" + bytes(6), 12)],
    ids=["whole", "in parts"],
)
def test_a_message_over_the_limit_says_how_long_it_is(data, size):
    def script(connection):
        accept_upgrade(connection, data)
        with suppress(OSError):
            wait_for_end(connection)

    with raw_server(script) as url:
        ws = WebSocket(url, limits=Limits(max_message=10))
        ws.run()
    assert isinstance(ws.error, tightwire.PayloadTooBig)
    assert (ws.error.size, ws.error.limit, ws.error.kind) == (size, 10, "message_too_big")
    text = f"protocol: the peer sent a message of {size} bytes over the limit of 10 (option: max_message)"
    assert str(ws.error) == text


def test_of_a_compressed_message_only_the_limit_is_known():
    with running_server(lambda ws: ws.send("x" * 5000), compression=True) as server:
        ws = WebSocket(f"ws://127.0.0.1:{server.port}/", limits=Limits(max_message=1000))
        ws.run()
    assert (ws.error.size, ws.error.limit) == (None, 1000)


def test_proxies_that_are_none_are_told(monkeypatch):
    with pytest.raises(tightwire.InvalidProxy, match="proxy: unknown scheme"):
        WebSocket("ws://127.0.0.1:1/", proxy="ftp://p")
    monkeypatch.setenv("http_proxy", "http://p/path")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(tightwire.InvalidProxy) as raised:
        WebSocket("ws://example.com/")
    # As before there was a class of its own.
    assert isinstance(raised.value, (tightwire.InvalidArgument, ValueError)) and raised.value.kind == "bad_proxy"


def answer_with(answer):
    def script(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 2\r\n\r\nno")
        with suppress(OSError):
            wait_for_end(connection)

    return script


def test_a_redirect_to_no_url_is_told():
    with raw_server(answer_with(b"302 Found\r\nLocation: ftp://x/")) as url:
        ws = WebSocket(url, max_redirects=1)
        ws.run()
    assert isinstance(ws.error, tightwire.InvalidURI) and isinstance(ws.error, (ValueError, tightwire.InvalidStatus))
    assert ws.error.response.status == 302
    with pytest.raises(tightwire.SyntaxError):
        WebSocket("ftp://x/")


def test_an_answer_that_refuses_is_on_the_error():
    with raw_server(answer_with(b"403 No\r\nX-Why: because")) as url:
        ws = WebSocket(url)
        ws.run()
    assert ws.handshake is None
    fields = [("X-Why", "because"), ("Content-Length", "2")]
    assert ws.error.handshake == Handshake(403, None, fields, "", "")
    with pytest.raises(tightwire.WebSocketError) as raised:
        raise tightwire.ConnectError("x")
    assert raised.value.handshake is None


def test_what_was_asked_and_answered_is_on_the_socket(play):
    seen = []

    def serve(ws):
        seen.append((ws.handshake, ws.local_address, ws.remote_address))
        ws.close()

    with running_server(serve, protocols="chat") as server:

        def begin():
            ws = WebSocket(f"ws://127.0.0.1:{server.port}/", "chat", headers={"X-Own": "1"})
            assert ws.handshake is None and ws.local_address is None
            return ws

        ws = play(begin)
    assert ws.handshake[0] == 101 and ws.handshake.protocol == "chat" and ws.handshake.extensions == ""
    answered = {name.lower(): value for name, value in ws.handshake.response_headers}
    assert ws.handshake.request_headers is None
    assert answered["sec-websocket-protocol"] == "chat" and answered["upgrade"].lower() == "websocket"
    ((asked, local, remote),) = seen
    assert ("X-Own", "1") in asked.request_headers and asked.response_headers is None and asked.protocol == "chat"
    # Each is where the other says.
    assert local == ("127.0.0.1", server.port) == ws.remote_address and remote == ws.local_address


def test_statistics_count_messages_and_bytes_both_ways(url):
    ws = WebSocket(url)

    def on_message(event):
        if len(event.data) == 5:
            return ws.send(b"12")
        ws.close()

    ws.onopen = lambda event: ws.send("hello")
    ws.onmessage = on_message
    ws.run()
    stats = ws.stats
    assert (stats.messages_sent, stats.payload_sent) == (2, 7)
    assert (stats.messages_received, stats.payload_received) == (2, 7)
    # Two masked frames and one of Close, and the request.
    assert stats.bytes_sent > 2 * 6 + 7 + 100 and stats.bytes_received > 2 * 2 + 7 + 100
    assert stats[:4] == (0, 0, 0, 0)


class Reader:
    def __init__(self, data):
        self.data, self.reads = data, 0

    def read(self):
        self.reads += 1
        return self.data


@pytest.mark.parametrize(
    ("make", "content"),
    [
        (lambda path: io.BytesIO(b"in memory"), b"in memory"),
        (lambda path: Reader(bytearray(b"duck")), b"duck"),
        # Its descriptor is that of the compressed file.
        (lambda path: gzip.open(path), b"unpacked"),
        (lambda path: path.open("rb"), None),
        (lambda path: path.open("rb", buffering=0), None),
    ],
    ids=["BytesIO", "read", "gzip", "file", "unbuffered file"],
)
def test_what_reads_like_a_file_can_be_sent(play, url, log, tmp_path, make, content):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b"unpacked"))
    file = make(path)
    at_end = getattr(file, "close", lambda: None)

    def begin():
        ws = log.watch(WebSocket(url, binary="bytes"))
        ws.onopen = lambda event: ws.send(file)
        ws.addEventListener("message", lambda event: ws.close())
        return ws

    play(begin)
    at_end()
    assert log[1] == ("message", 1, path.read_bytes() if content is None else content)


def test_the_rest_of_something_like_a_file_is_sent(url):
    file, got = io.BytesIO(b"headtail"), []
    file.seek(4)
    ws = WebSocket(url, binary="bytes")
    ws.onopen = lambda event: ws.send(file)
    ws.onmessage = lambda event: (got.append(event.data), ws.close())
    ws.run()
    assert got == [b"tail"] and file.tell() == 8


def test_what_does_not_read_bytes_is_refused(url):
    ws, early = WebSocket(url), Reader(b"x")
    with pytest.raises(tightwire.InvalidStateError):
        ws.send(early)
    assert early.reads == 0
    refused = []

    def on_open(event):
        for data in (io.StringIO("text"), Reader(None), object()):
            with pytest.raises(TypeError) as raised:
                ws.send(data)
            refused.append(str(raised.value))
        ws.close()

    ws.onopen = on_open
    ws.run()
    assert refused == [
        "data: its read() gave str and not bytes; open it in binary mode",
        "data: its read() gave NoneType and not bytes; open it in binary mode",
        "data: str, Blob or a bytes-like object expected, not object",
    ]


def test_tls_may_be_said_to_be_off():
    with running_server() as server:
        for tls in (False, True, None):
            ws = WebSocket(f"ws://127.0.0.1:{server.port}/", tls=tls)
            ws.onopen = lambda event: event.target.close()
            ws.run()
            assert ws.close_event.wasClean
    for url in ("wss://127.0.0.1:1/", "HTTPS://127.0.0.1:1/"):
        with pytest.raises(ValueError, match="tls: False"):
            WebSocket(url, tls=False)
    with pytest.raises(ValueError, match="tls: False"):
        WebSocket("ws://127.0.0.1:1/", proxy=("https://p:1", False))
    for wrong in (0, "no", ssl.PROTOCOL_TLS_CLIENT):
        with pytest.raises(TypeError, match="tls: "):
            WebSocket("ws://127.0.0.1:1/", tls=wrong)


def test_how_many_handlers_may_be_unfinished_is_a_limit():
    """Both roles: with the limit one message more is taken, and then nothing is read."""
    for limit in (0, 2):
        sent = threading.Event()

        def script(connection, sent=sent):
            accept_upgrade(connection, b"".join(b"\x81\x01" + b"%d" % number for number in range(9)))
            sent.set()
            with suppress(OSError):
                wait_for_end(connection)

        async def main(url, limit=limit):
            begun, go_on, done = [], asyncio.Event(), asyncio.Event()
            ws = WebSocket(url, limits=Limits(pending_handlers=limit))

            async def on_message(event):
                begun.append(event.data)
                await go_on.wait()

            events = []
            ws.onmessage = on_message
            ws.addEventListener("message", lambda event: events.append(event.data))
            ws.addEventListener("message", lambda event: len(events) == 9 and done.set())
            while len(events) < limit + 1:
                await asyncio.sleep(0)
            # It is not read any more: turns of the loop change nothing.
            for _ in range(50):
                await asyncio.sleep(0)
            assert events == [str(number) for number in range(limit + 1)]
            go_on.set()
            await done.wait()
            ws.abort()
            await ws.closed()

        with raw_server(script) as url:
            asyncio.run(main(url))


def test_a_servers_sockets_have_the_limit_too():
    limits = []

    def serve(ws):
        limits.append(ws._pending_handlers)
        ws.close()

    with running_server(serve, limits=Limits(pending_handlers=3)) as server:
        play_asyncio(lambda: Log().watch(WebSocket(f"ws://127.0.0.1:{server.port}/")))
    with running_server(serve) as server:
        play_asyncio(lambda: Log().watch(WebSocket(f"ws://127.0.0.1:{server.port}/")))
    assert limits == [3, 16]


def test_who_is_in_the_wrong_loop_is_told(server):
    def elsewhere(act):
        raised = []

        def work():
            try:
                act()
            except tightwire.WrongLoop as error:
                raised.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        (error,) = raised
        assert isinstance(error, RuntimeError) and isinstance(error, tightwire.WebSocketError)

    ws = WebSocket(f"ws://127.0.0.1:{server.port}/")
    elsewhere(ws.run)
    ws.abort()
    ws.run()
    with pytest.raises(tightwire.WrongLoop):
        server.broadcast("x")

    async def main(other):
        WebSocket("ws://127.0.0.1:1/", loop=other)

    other = asyncio.new_event_loop()
    with pytest.raises(tightwire.WrongLoop):
        asyncio.run(main(other))
    other.close()
