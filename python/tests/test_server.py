"""serve(), with `websockets` and with our own clients; and TLS."""

import asyncio
import os
import ssl
import threading

import pytest
import trustme
import websockets.asyncio.client
import websockets.exceptions
import websockets.sync.client
from conftest import SECONDS, echo, foreign_server, running_server

import tightwire
from tightwire import TLS, WebSocket

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20]


def connect(server, path="/", **options):
    scheme = "wss" if "ssl" in options else "ws"
    url = f"{scheme}://localhost:{server.port}{path}"
    return websockets.sync.client.connect(url, max_size=None, compression=None, **options)


def test_echo_for_a_foreign_client(server):
    with connect(server) as client:
        for size in SIZES:
            for data in ("x" * size, bytes(size)):
                client.send(data)
                assert client.recv(SECONDS) == data
        client.send(["frag", "men", "ted"])
        assert client.recv(SECONDS) == "fragmented"
        assert client.ping(b"x").wait(SECONDS)
        client.close(4001, "enough")
    assert client.close_code == 4001


def test_what_a_handler_sees():
    seen = []

    def handle(ws):
        seen.append((ws.readyState, ws.url, ws.protocol, ws.remote_address[0]))
        ws.close(1011, "no")
        with pytest.raises(tightwire.InvalidAccessError):
            ws.close(1005)

    with running_server(handle, protocols=["a", "b"]) as server:
        with connect(server, "/path?q", subprotocols=["b", "a"]) as client:
            assert client.subprotocol == "a"
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as closed:
                client.recv(SECONDS)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "no")
    assert seen == [(1, f"ws://localhost:{server.port}/path?q", "a", "127.0.0.1")]


def test_a_handler_that_raises_closes_with_1011(monkeypatch):
    import sys

    monkeypatch.setattr(sys, "unraisablehook", lambda info: None)
    with running_server(lambda ws: 1 / 0) as server:
        with connect(server) as client:
            with pytest.raises(websockets.exceptions.ConnectionClosedError):
                client.recv(SECONDS)
            assert client.close_code == 1011


def test_messages_right_behind_the_handshake_are_not_lost(play):
    got = []

    def setup():
        def handle(ws):
            ws.onmessage = lambda event: (got.append(event.data), ws.close(1000))
            ws.onclose = lambda event: server.close()

        server = tightwire.serve(handle)
        ws = WebSocket(f"ws://127.0.0.1:{server.port}")
        ws.onopen = lambda event: ws.send("first")

    play(setup)
    assert got == ["first"]


def test_many_connections(play):
    count = 100
    closed = []

    def setup():
        server = tightwire.serve(echo)
        for number in range(count):
            ws = WebSocket(f"ws://127.0.0.1:{server.port}/{number}")
            ws.onopen = lambda event: event.target.send(event.target.url[-2:])
            ws.onmessage = lambda event: event.target.close(3000, event.data)

            def over(event):
                closed.append(event.reason)
                if len(closed) == count:
                    assert len(server.connections) <= count
                    server.close()

            ws.onclose = over

    play(setup)
    assert len(closed) == count


def test_close_ends_the_connections(play, log):
    def setup():
        server = tightwire.serve(echo)
        ws = log.watch(WebSocket(f"ws://127.0.0.1:{server.port}"))
        ws.onopen = lambda event: ws.send("x")
        ws.onmessage = lambda event: (server.close(), server.close())
        assert "listening" in repr(server)

    play(setup)
    assert log[-1] == ("close", 3, 1001, "", True)


def test_close_may_leave_the_connections(play, log):
    def setup():
        server = tightwire.serve(echo)
        ws = log.watch(WebSocket(f"ws://127.0.0.1:{server.port}"))
        ws.onopen = lambda event: (server.close(connections=False), ws.send("x"))
        ws.onmessage = lambda event: ws.close(3000)

    play(setup)
    assert log[-1] == ("close", 3, 3000, "", True)


def test_close_from_another_thread():
    server = tightwire.serve(echo)
    with server:
        pass
    tightwire.run()
    server = tightwire.serve(echo)
    threading.Timer(0.01, server.close).start()
    tightwire.run()


def test_origins():
    with running_server(origins=["https://good.example"]) as server:
        with connect(server, origin="https://good.example") as client:
            client.send("x")
            assert client.recv(SECONDS) == "x"
        with pytest.raises(websockets.exceptions.InvalidStatus):
            connect(server, origin="https://evil.example")


def test_max_connections():
    with running_server(max_connections=1) as server, connect(server):
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            connect(server)
    assert refused.value.response.status_code == 503


@pytest.mark.parametrize(
    "arguments, options, error, text",
    [
        ((1,), {}, TypeError, "handler"),
        ((echo, 5), {}, TypeError, "host"),
        ((echo, "127.0.0.1", 70000), {}, (OverflowError, ValueError), "."),
        ((echo, "127.0.0.1", "x"), {}, TypeError, "port"),
        ((echo, "a/b"), {}, ValueError, "host"),
        ((echo,), {"tls": True}, TypeError, "tls"),
        ((echo,), {"protocols": 5}, TypeError, "protocols"),
        ((echo,), {"origins": [5]}, TypeError, "origins"),
        ((echo,), {"colour": 5}, TypeError, "colour"),
    ],
)
def test_bad_arguments(arguments, options, error, text):
    with pytest.raises(error, match=text):
        tightwire.serve(*arguments, **options)


def test_an_address_in_use(server):
    with pytest.raises(OSError) as caught:
        tightwire.serve(echo, "127.0.0.1", server.port)
    assert isinstance(caught.value, tightwire.ListenError) and caught.value.errno


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """Paths of a CA, and of a certificate for localhost with its key."""
    folder = tmp_path_factory.mktemp("tls")
    paths = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key", "both", "other")}
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(paths["ca"])
    issued.private_key_pem.write_to_path(paths["key"])
    issued.cert_chain_pems[0].write_to_path(paths["cert"])
    issued.private_key_and_cert_chain_pem.write_to_path(paths["both"])
    authority.issue_cert("localhost").private_key_pem.write_to_path(paths["other"])
    return paths


def say_hello(url, log, **tls):
    def setup():
        ws = log.watch(WebSocket(url, tls=TLS(**tls)))
        ws.onopen = lambda event: ws.send("hello")
        ws.onmessage = lambda event: ws.close(1000)
        return ws

    return setup


def test_tls_to_a_foreign_server(play, log, files, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with foreign_server(ssl=context) as url:
        play(say_hello(url, log, ca=files["ca"]))
    assert log == [("open", 1), ("message", 1, "hello"), ("close", 3, 1000, "", True)]


def test_tls_for_a_foreign_client(files):
    context = ssl.create_default_context(cafile=files["ca"])

    # Not its blocking client, which uses one TLS object in two threads and stalls once in a while.
    async def talk(url):
        async with websockets.asyncio.client.connect(url, ssl=context, max_size=None, proxy=None) as client:
            for data in ("héllo", bytes(1 << 20)):
                await client.send(data)
                assert await asyncio.wait_for(client.recv(), SECONDS) == data

    with running_server(tls=TLS(cert=files["both"])) as server:
        asyncio.run(talk(f"wss://localhost:{server.port}/"))


@pytest.mark.parametrize("form", [str, os.fspath, lambda path: path, lambda path: path.read_bytes()])
def test_tls_with_ourselves(play, log, files, form):
    identity = TLS(cert=form(files["cert"]), key=form(files["key"]))
    with running_server(tls=identity) as server:
        play(say_hello(f"wss://localhost:{server.port}", log, ca=form(files["ca"])))
    assert log.kinds == ["open", "message", "close"]


def test_a_certificate_of_an_unknown_issuer(play, log, files, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    with running_server(tls=TLS(cert=files["both"])) as server:
        url = f"wss://localhost:{server.port}"
        ws = play(say_hello(url, log, ca=tmp_path / "ca.pem"))
    assert log == [("error", 3), ("close", 3, 1006, "", False)]
    assert isinstance(ws.error, ssl.SSLError) and isinstance(ws.error, tightwire.TLSError)
    assert (ws.error.phase, ws.error.code) == ("tls", 24) and "issuer" in str(ws.error)


def test_a_certificate_for_another_name(play, log, files):
    with running_server(tls=TLS(cert=files["both"])) as server:
        url = f"wss://127.0.0.1:{server.port}"
        ws = play(say_hello(url, log, ca=files["ca"]))
        assert "name" in str(ws.error) and ws.error.code == 24
        log.clear()
        play(say_hello(url, log, ca=files["ca"], server_name="localhost"))
    assert log.kinds == ["open", "message", "close"]


def test_no_verification(play, log, files):
    with running_server(tls=TLS(cert=files["both"])) as server:
        with pytest.warns(UserWarning, match="verify=False"):
            play(say_hello(f"wss://localhost:{server.port}", log, verify=False))
    assert log.kinds == ["open", "message", "close"]


def test_plain_text_to_a_tls_port(play, log, files):
    with running_server(tls=TLS(cert=files["both"])) as server:
        ws = play(lambda: log.watch(WebSocket(f"ws://localhost:{server.port}", timeout=5)))
    assert log.kinds == ["error", "close"] and "TLS" in str(ws.error)


def test_tls_to_a_plain_port(play, log, files, server):
    ws = play(say_hello(f"wss://localhost:{server.port}", log, ca=files["ca"]))
    assert isinstance(ws.error, tightwire.TLSError) and "TLS" in str(ws.error)


def test_bad_tls_settings(files, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    for options, error, text in [
        ({"ca": "/no/such/file"}, FileNotFoundError, "ca: .*/no/such/file"),
        ({"cert": "/no/such/file"}, FileNotFoundError, "cert: .*/no/such/file"),
        ({"cert": files["cert"], "key": "/no/key"}, FileNotFoundError, "key: .*/no/key"),
        ({"ca": tmp_path}, IsADirectoryError, "ca"),
        ({"ca": empty}, tightwire.TLSError, "ca: .*empty.pem: no certificate"),
        ({"ca": b"x"}, tightwire.TLSError, "ca: .*no certificate"),
        ({"cert": files["key"]}, tightwire.TLSError, "cert.*no certificate"),
        ({"cert": files["cert"]}, tightwire.TLSError, "key.*no private key"),
        ({"cert": files["cert"], "key": files["other"]}, tightwire.TLSError, "does not belong"),
        ({"key": files["key"]}, ValueError, "key: needs cert"),
        ({"ca": 5}, TypeError, "ca"),
        ({"ca": files["ca"], "verify": False}, ValueError, "verify"),
        ({"pins": 1}, TypeError, "pins"),
    ]:
        with pytest.raises(error, match=text):
            TLS(**options)
    with pytest.raises(ValueError, match="tls: a server needs"):
        tightwire.serve(echo, tls=TLS(ca=files["ca"]))


def test_a_broadcast_reaches_everybody(host):
    async def main():
        server = tightwire.serve(lambda ws: None)
        got = []
        sockets = [await WebSocket(f"ws://127.0.0.1:{server.port}/") for _ in range(3)]
        everybody = host.event()
        for ws in sockets:
            ws.onmessage = lambda event: (got.append(event.data), len(got) == 3 and everybody.set())
        assert server.broadcast("hello") == 3
        await host.at_most(SECONDS, everybody.wait())
        assert got == ["hello"] * 3
        server.close()
        assert server.broadcast(b"nobody") == 0

    host.run(main)


def test_a_broadcast_belongs_to_the_thread_of_its_server(server):
    with pytest.raises(RuntimeError, match="thread"):
        server.broadcast("x")


def test_a_paused_socket_gets_nothing_until_it_is_resumed(play, url):
    got = []

    def setup():
        ws = WebSocket(url)
        ws.onopen = lambda event: [ws.send(str(number)) for number in range(3)]

        def take(event):
            got.append(event.data)
            ws.pause()
            # Another thread's, as a worker's would be.
            threading.Timer(0.02, ws.resume).start()
            if len(got) == 3:
                ws.close(1000)

        ws.onmessage = take

    play(setup)
    assert got == ["0", "1", "2"]


def test_a_client_that_says_nothing_is_sent_away():
    with running_server(idle_timeout=0.2) as server:
        ws = WebSocket(f"ws://127.0.0.1:{server.port}/")
        closed = ws.run()
        assert (closed.code, closed.reason, closed.wasClean) == (1001, "idle timeout", True)
        assert ws.error is None
