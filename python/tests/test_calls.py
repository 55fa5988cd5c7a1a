"""Constructor, send and close: what is legal, and what is said when it is not."""

import array
import ctypes
import threading

import pytest
from conftest import accept_upgrade, raw_server, running_server

import tightwire
from tightwire import Limits, WebSocket

try:
    import numpy
except ImportError:
    numpy = None

BAD_URLS = [
    "", "ws://", "ws://foo bar.com/", "wss://foo bar.com/", "ftp://host/", "mailto:a@b", "about:blank",
    "/relative", "host", "ws://host/#", "ws://host/#fragment", "http://host/#", "#test",
    "ws://host:99999/", "ws://[::1", "ws://host:port/",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_bad_urls(url):
    with pytest.raises(tightwire.SyntaxError, match="^url: ") as caught:
        WebSocket(url)
    assert caught.value.name == "SyntaxError" and caught.value.code == 12
    assert isinstance(caught.value, ValueError)


def closed(*args, **kwargs):
    """A socket that was given up before it could connect."""
    ws = WebSocket(*args, **kwargs)
    ws.close()
    return ws


@pytest.mark.parametrize(
    "given, shown",
    [
        ("ws:127.0.0.1:1", "ws://127.0.0.1:1/"),
        ("http://127.0.0.1:1/x", "ws://127.0.0.1:1/x"),
        ("WS://LOCALHOST:80", "ws://localhost/"),
        ("ws://127.0.0.1:1/a b?c d", "ws://127.0.0.1:1/a%20b?c%20d"),
        ("ws://127.0.0.1:1/?x\0y\0", "ws://127.0.0.1:1/?x%00y"),
        ("ws://127.0.0.1:1/?å", "ws://127.0.0.1:1/?%C3%A5"),
    ],
)
def test_urls_are_written_as_browsers_do(given, shown):
    assert closed(given).url == shown


@pytest.mark.parametrize(
    "protocols",
    [
        "", "a b", "a,b", "foobar, foobar", "a/b", "\x7f", "\x00", "é", "a\tb", [""], ["echo", "echo"],
        ["echo", "eCho"], ["ok", "not ok"], ["a\udc00"],
    ],
)
def test_bad_protocols(protocols):
    with pytest.raises(tightwire.SyntaxError, match="^protocols: "):
        WebSocket("ws://127.0.0.1:1/", protocols)


@pytest.mark.parametrize("protocols", [1, b"chat", [b"chat"], [1], object()])
def test_protocols_of_a_wrong_type(protocols):
    with pytest.raises(TypeError, match="protocols"):
        WebSocket("ws://127.0.0.1:1/", protocols)


@pytest.mark.parametrize("value", [1, b"ws://h/", None, object()])
def test_urls_of_a_wrong_type(value):
    with pytest.raises(TypeError, match="url"):
        WebSocket(value)


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"colour": "red"}, TypeError, "colour"),
        ({"headers": 1}, TypeError, "headers"),
        ({"headers": "a: b"}, TypeError, "headers"),
        ({"headers": {"A": 1}}, TypeError, "headers"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, ValueError, "X-A"),
        ({"headers": {"A b": "c"}}, ValueError, "A b"),
        ({"headers": {"Upgrade": "c"}}, ValueError, "Upgrade"),
        ({"origin": "a\r\nb"}, ValueError, "origin"),
        ({"timeout": -1}, ValueError, "timeout"),
        ({"timeout": float("nan")}, ValueError, "timeout"),
        ({"timeout": "1"}, TypeError, "timeout"),
        ({"close_timeout": 0}, ValueError, "close_timeout"),
        ({"linger": -1}, ValueError, "linger"),
        ({"write_timeout": 0}, ValueError, "write_timeout"),
        ({"idle_timeout": -1}, ValueError, "idle_timeout"),
        ({"heartbeat": 5}, TypeError, "heartbeat"),
        ({"heartbeat": (1, -1)}, ValueError, "heartbeat"),
        ({"limits": 5}, TypeError, "limits"),
        ({"tls": "ca.pem"}, TypeError, "tls"),
        ({"tls": 7}, TypeError, "tls"),
        ({"loop": 5}, TypeError, "loop"),
    ],
)
def test_bad_options(options, error, text):
    with pytest.raises(error, match=text):
        WebSocket("ws://127.0.0.1:1/", **options)


def test_what_the_request_says(play, log):
    heads = []

    def script(connection):
        heads.append(accept_upgrade(connection, b"\x88\x00"))
        # The answer, after which a server ends the stream.
        connection.recv(100)

    def setup(url):
        headers = [("X-One", "1"), ("X-Two", "2")]
        return log.watch(WebSocket(url + "path?q", headers=headers, origin="https://example.com"))

    with raw_server(script) as url:
        play(lambda: setup(url))
    head = heads[0]
    assert head.startswith("GET /path?q HTTP/1.1\r\n")
    for line in ("X-One: 1", "X-Two: 2", "Origin: https://example.com", "Sec-WebSocket-Version: 13"):
        assert f"\r\n{line}\r\n" in head
    assert log[-1] == ("close", 3, 1005, "", True)


def test_headers_of_a_mapping_may_repeat(play, log):
    heads = []

    def script(connection):
        heads.append(accept_upgrade(connection, b"\x88\x00"))
        # The answer, after which a server ends the stream.
        connection.recv(100)

    with raw_server(script) as url:
        play(lambda: log.watch(WebSocket(url, headers={"X-A": ["1", "2"], "X-B": "3"})))
    assert "\r\nX-A: 1\r\nX-A: 2\r\nX-B: 3\r\n" in heads[0]


def test_subprotocol(play, foreign_chat):
    seen = []

    def setup():
        ws = WebSocket(foreign_chat, ["chat.v1", "chat.v2"])
        ws.onopen = lambda event: (seen.append(ws.protocol), ws.close())
        assert ws.protocol == ""

    play(setup)
    assert seen == ["chat.v2"]


def test_a_subprotocol_that_is_not_chosen_fails(play, url, log):
    ws = play(lambda: log.watch(WebSocket(url, "chat")))
    assert log.kinds == ["error", "close"] and "subprotocol" in str(ws.error)


def test_constants():
    ws = closed("ws://127.0.0.1:1/")
    for holder in (WebSocket, ws):
        values = (holder.CONNECTING, holder.OPEN, holder.CLOSING, holder.CLOSED)
        assert values == (0, 1, 2, 3)
    for name in ("OPEN", "url", "protocol", "extensions", "readyState", "bufferedAmount"):
        with pytest.raises(AttributeError):
            setattr(ws, name, 5)


def test_binary_type():
    ws = closed("ws://127.0.0.1:1/")
    assert ws.binaryType == "blob"
    ws.binaryType = "arraybuffer"
    for wrong in ("notBlob", "", None, 3):
        ws.binaryType = wrong
        assert ws.binaryType == ws.binary_type == "arraybuffer"


def test_names_of_pep_8():
    ws = closed("ws://127.0.0.1:1/")
    assert (ws.ready_state, ws.buffered_amount) == (2, 0)
    ws.binary_type = "arraybuffer"
    assert ws.binaryType == "arraybuffer"
    seen = []
    ws.add_event_listener("x", seen.append)
    ws.dispatch_event(tightwire.Event("x"))
    ws.remove_event_listener("x", seen.append)
    ws.dispatch_event(tightwire.Event("x"))
    assert len(seen) == 1


def test_send_before_open():
    ws = WebSocket("ws://127.0.0.1:1/")
    for data in ("x", b"x", "\ud800"):
        with pytest.raises(tightwire.InvalidStateError, match="open event") as caught:
            ws.send(data)
    assert isinstance(caught.value, RuntimeError) and caught.value.code == 11
    assert ws.bufferedAmount == 0
    ws.close()


@pytest.mark.parametrize("data", [None, 1, 1.5, ["x"], {"a": 1}, object(), True])
def test_send_of_a_wrong_type(data):
    ws = closed("ws://127.0.0.1:1/")
    with pytest.raises(TypeError, match=f"data: .* not {type(data).__qualname__}"):
        ws.send(data)
    with pytest.raises(TypeError):
        ws.send()


SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]


def echoed(play, url, messages):
    """What comes back for `messages`, sent one after the other."""
    back = []

    def setup():
        ws = WebSocket(url)
        queue = list(messages)

        def step(event):
            if event.type == "message":
                back.append(event.data)
            if queue:
                ws.send(queue.pop(0))
            else:
                ws.close(1000)

        ws.onopen = ws.onmessage = step

    play(setup)
    return back


@pytest.mark.parametrize("peer", ["url", "foreign"])
def test_sizes(play, peer, request):
    url = request.getfixturevalue(peer)
    binary = [bytes(i % 251 for i in range(size)) for size in SIZES]
    text = ["é" * (size // 2) + "x" * (size % 2) for size in SIZES]
    assert echoed(play, url, binary + text) == binary + text


def test_all_at_once(play, foreign):
    binary = [bytes([size % 251]) * size for size in SIZES]
    back = []

    def setup():
        ws = WebSocket(foreign)

        def opened(event):
            for data in binary:
                ws.send(data)

        def received(event):
            back.append(event.data)
            if len(back) == len(binary):
                ws.close()

        ws.onopen, ws.onmessage = opened, received

    play(setup)
    assert back == binary


def buffers():
    data = bytes(range(64))
    yield bytearray(data), data
    yield memoryview(data)[3:9], data[3:9]
    yield memoryview(data)[::2], data[::2]
    yield memoryview(data)[::-1], data[::-1]
    yield memoryview(data).cast("I")[2:5], data[8:20]
    yield array.array("H", [1, 2, 3]), array.array("H", [1, 2, 3]).tobytes()
    yield (ctypes.c_ubyte * 3)(1, 2, 3), b"\1\2\3"
    yield bytearray(), b""
    yield memoryview(b""), b""
    if numpy is not None:
        grid = numpy.arange(12, dtype="<i4").reshape(3, 4)
        yield grid, grid.tobytes()
        yield grid[:, 1], grid[:, 1].tobytes()
        yield grid.T, grid.T.tobytes()
        yield numpy.float64(1.5), numpy.float64(1.5).tobytes()


def test_buffers(play, foreign):
    given, expected = zip(*buffers())
    assert echoed(play, foreign, given) == list(expected)


def test_surrogates(play, foreign):
    given = ["\ud800", "a\udc00b", "\ud83d\ude00", "\ud800\ud800x", "x\udfff", "ok 😀"]
    expected = ["\ufffd", "a\ufffdb", "😀", "\ufffd\ufffdx", "x\ufffd", "ok 😀"]
    assert echoed(play, foreign, given) == expected


def test_subclasses_of_str_and_bytes(play, foreign):
    class Text(str):
        pass

    class Bytes(bytes):
        pass

    assert echoed(play, foreign, [Text("a"), Bytes(b"b")]) == ["a", b"b"]


def test_buffered_amount(play, url):
    amounts = []

    def setup():
        ws = WebSocket(url)

        def opened(event):
            for data in ("é", b"xyz", memoryview(b"0123456789")[2:4], "\ud800"):
                ws.send(data)
                amounts.append(ws.bufferedAmount)

        def received(event):
            if event.data == "\ufffd":
                amounts.append(ws.bufferedAmount)
                ws.close()
                ws.send("12345")
                amounts.append(ws.bufferedAmount)

        ws.onopen, ws.onmessage = opened, received
        ws.onclose = lambda event: (ws.send(b"678"), amounts.append(ws.bufferedAmount))
        return ws

    ws = play(setup)
    assert amounts == [2, 5, 7, 10, 0, 5, 8]
    ws.send("later")
    assert ws.bufferedAmount == 13


BAD_CODES = [0, 1, 500, 999, 1001, 1005, 1006, 1015, 2999, 5000, 65535, 65536 + 1000, -1, 10**30, True]


def test_bad_codes_leave_the_socket_open(play, url, log):
    def setup():
        ws = log.watch(WebSocket(url))

        def opened(event):
            for code in BAD_CODES:
                with pytest.raises(tightwire.InvalidAccessError, match="code"):
                    ws.close(code)
            for code in ("1000", 1000.0, b"", [1000]):
                with pytest.raises(TypeError, match="code"):
                    ws.close(code)
            with pytest.raises(TypeError, match="reason"):
                ws.close(1000, b"bytes")
            with pytest.raises(tightwire.SyntaxError, match="123"):
                ws.close(1000, "x" * 124)
            with pytest.raises(tightwire.SyntaxError, match="123"):
                ws.close(1000, "é" * 62)
            assert ws.readyState == 1
            ws.close(3000, "\ud800" * 41)
            with pytest.raises(tightwire.SyntaxError):
                ws.close(3000, "x" * 124)

        ws.onopen = opened
        return ws

    ws = play(setup)
    assert log == [("open", 1), ("close", 3, 3000, "\ufffd" * 41, True)]
    assert ws.close() is None and ws.close(1000, "again") is None
    with pytest.raises(tightwire.SyntaxError):
        ws.close(3000, "x" * 124)


@pytest.mark.parametrize("code", [1000, 3000, 4999])
def test_good_codes(play, url, log, code):
    def setup():
        ws = log.watch(WebSocket(url))
        ws.onopen = lambda event: (ws.close(code, "é" * 61 + "x"), ws.close(4000, "second"))
        ws.onclose = lambda event: ws.close()

    play(setup)
    assert log == [("open", 1), ("close", 3, code, "é" * 61 + "x", True)]


def test_a_message_over_the_limit(play, url, log):
    def setup():
        ws = log.watch(WebSocket(url, limits=Limits(max_message=10)))
        ws.onopen = lambda event: ws.send(b"x" * 11)
        return ws

    ws = play(setup)
    assert log.kinds == ["open", "error", "close"]
    assert isinstance(ws.error, tightwire.PayloadTooBig) and "max_message" in str(ws.error)


def test_a_full_buffer_closes_the_socket(play, log):
    def script(connection):
        accept_upgrade(connection)
        connection.recv(1)
        # Reads no more, until the client is gone.
        done.wait(10)

    done = threading.Event()

    def setup(url):
        ws = log.watch(WebSocket(url, limits=Limits(max_send_buffer=1 << 20)))

        def opened(event):
            while ws.readyState == 1:
                ws.send(bytes(1 << 20))

        ws.onopen = opened
        ws.onclose = lambda event: done.set()
        return ws

    with raw_server(script) as url:
        ws = play(lambda: setup(url))
    assert log == [("open", 1), ("error", 3), ("close", 3, 1006, "", False)]
    assert isinstance(ws.error, tightwire.BufferFull) and ws.error.limit == 1 << 20
    assert ws.bufferedAmount >= 1 << 20


def test_ping_and_abort(play, log):
    def pinged(ws):
        ws.onmessage = lambda event: ws.send(event.data)

    def setup(url):
        ws = log.watch(WebSocket(url))

        def opened(event):
            ws.ping()
            ws.ping(b"x" * 125)
            ws.ping("text")
            with pytest.raises(ValueError, match="125"):
                ws.ping(b"x" * 126)
            ws.send("after")

        ws.onopen = opened
        ws.onmessage = lambda event: ws.abort()
        with pytest.raises(tightwire.InvalidStateError):
            ws.ping()
        return ws

    with running_server(pinged) as server:
        play(lambda: setup(f"ws://127.0.0.1:{server.port}"))
    assert log.kinds == ["open", "message", "error", "close"]


def test_subclass(play, url):
    class Client(WebSocket):
        def __init__(self, url, name):
            super().__init__(url, timeout=5)
            self.name = name
            self.events = []
            self.onopen = lambda event: self.send(self.name)
            self.onmessage = self.received

        def received(self, event):
            self.events.append(event.data)
            self.close()

    client = play(lambda: Client(url, "me"))
    assert client.events == ["me"]


def test_init_is_called_once():
    ws = closed("ws://127.0.0.1:1/")
    with pytest.raises(RuntimeError, match="twice"):
        ws.__init__("ws://127.0.0.1:1/")
    empty = WebSocket.__new__(WebSocket)
    with pytest.raises(RuntimeError, match="__init__"):
        empty.send("x")
    with pytest.raises(TypeError):
        WebSocket()
