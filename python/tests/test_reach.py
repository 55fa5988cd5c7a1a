"""Reaching a server: Unix sockets, given sockets, local addresses, proxies."""

import contextlib
import socket
import threading

import pytest
from conftest import SECONDS, echo, running_server

import tightwire
from tightwire import Proxy, WebSocket


@pytest.fixture
def converse(play):
    """What an echo server answers to a message, on every loop: the socket and the answer."""

    def converse(url, **options):
        got = []

        def setup():
            ws = WebSocket(url, **options)
            ws.onopen = lambda event: ws.send("hello")
            ws.onmessage = lambda event: (got.append(event.data), ws.close(1000))
            return ws

        return play(setup), got

    return converse


def relay(listener, port):
    """Hands on one connection of `listener` to a port of this machine."""

    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve():
        client, _ = listener.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            there = threading.Thread(target=copy, args=(client, server))
            there.start()
            copy(server, client)
            there.join(SECONDS)

    threading.Thread(target=serve, daemon=True).start()


def test_a_unix_socket(converse, tmp_path):
    path = tmp_path / "ws.sock"
    with running_server(echo) as server, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        relay(listener, server.port)
        _, got = converse(f"ws+unix:{path}:/chat")
    assert got == ["hello"]
    ws, _ = converse(f"ws+unix:{tmp_path}/nobody.sock:/")
    assert isinstance(ws.error, tightwire.ConnectError) and "nobody.sock" in str(ws.error)


def test_a_socket_that_is_connected_already(converse):
    with running_server(echo) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            _, got = converse("ws://127.0.0.1:1/", sock=sock)
    assert got == ["hello"]
    with pytest.raises(ValueError, match="sock"):
        WebSocket("ws://127.0.0.1:1/", sock=sock)


def test_the_local_address(converse):
    seen = []

    def handle(ws):
        seen.append(ws.remote_address)
        echo(ws)

    with running_server(handle) as server:
        _, got = converse(f"ws://localhost:{server.port}/", local_address=("127.0.0.7", 0))
    assert got == ["hello"] and seen[0][0] == "127.0.0.7"
    with pytest.raises(ValueError, match="local_address"):
        WebSocket("ws://127.0.0.1:1/", local_address=("localhost", 0))


def refusing_proxy():
    """A proxy that says no: its port, and what it was asked."""
    listener, asked = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        peer, _ = listener.accept()
        with listener, peer:
            peer.settimeout(SECONDS)
            asked.append(peer.recv(4096).decode())
            peer.sendall(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1], asked


@pytest.mark.parametrize("form", [str, Proxy])
def test_a_proxy_that_refuses(converse, form):
    port, asked = refusing_proxy()
    ws, _ = converse("ws://server.example/", proxy=form(f"http://me:secret@127.0.0.1:{port}"))
    assert asked[0].startswith("CONNECT server.example:80 HTTP/1.1\r\n") and "Basic bWU6c2VjcmV0" in asked[0]
    assert str(ws.error).startswith("proxy: the proxy answered 407") and "secret" not in str(ws.error)
    assert ws.error.phase == "proxy"


def test_the_environment_and_how_to_ignore_it(converse, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    port, asked = refusing_proxy()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    with running_server(echo) as server:
        assert converse(f"ws://127.0.0.1:{server.port}/", proxy=False)[1] == ["hello"]
        assert converse(f"ws://127.0.0.1:{server.port}/")[1] == []
    assert asked[0].startswith(f"CONNECT 127.0.0.1:{server.port} ")


def test_bad_proxies():
    for proxy in ("ftp://p", "http://p/path", Proxy("p")):
        with pytest.raises(ValueError, match="proxy"):
            WebSocket("ws://127.0.0.1:1/", proxy=proxy)
    with pytest.raises(TypeError, match="proxy"):
        WebSocket("ws://127.0.0.1:1/", proxy=7)


@pytest.mark.parametrize("port", [1, 25, 6000, 10080])
def test_bad_ports_are_blocked_on_request(play, log, port):
    ws = play(lambda: log.watch(WebSocket(f"ws://localhost:{port}/", block_bad_ports=True)))
    assert log == [("error", 3), ("close", 3, 1006, "", False)]
    assert isinstance(ws.error, tightwire.ConnectError) and ws.error.kind == "bad_port"
    assert str(ws.error) == f"tcp: port {port} is blocked, as in browsers (option: block_bad_ports)"


def test_a_relative_url_needs_a_base(converse):
    with running_server(echo) as server:
        base = f"http://localhost:{server.port}/dir/page#part"
        ws, got = converse("chat?x=1", base=base)
        assert ws.url == f"ws://localhost:{server.port}/dir/chat?x=1" and got == ["hello"]
    with pytest.raises(tightwire.SyntaxError, match="url"):
        WebSocket("chat")
    with pytest.raises(tightwire.SyntaxError, match="url"):
        WebSocket("chat", base="page")
    with pytest.raises(tightwire.SyntaxError, match="url"):
        WebSocket("#part", base="ws://localhost/")
