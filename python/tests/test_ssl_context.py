"""`ssl.SSLContext` in the place of `TLS`: OpenSSL does it, with all that the context says."""

import datetime
import socket
import ssl
import threading

import pytest
import trustme
import websockets.sync.client
from conftest import accept_upgrade, foreign_server, raw_server, running_server

import tightwire
from tightwire import Proxy, WebSocket

DAY = datetime.timedelta(days=1)
BIG = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def of_server(leaf):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


@pytest.fixture(scope="module")
def shown(authority):
    return of_server(authority.issue_cert("localhost", "127.0.0.1"))


@pytest.fixture
def trusting(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


@pytest.fixture
def visit(play):
    """What came back, and the socket, on every loop."""

    def visit(url, tls, say=("hello", BIG), **options):
        got = []

        def setup():
            ws = WebSocket(url, tls=tls, **options)
            ws.onopen = lambda event: [ws.send(data) for data in say]
            ws.onmessage = lambda event: (got.append(event.data), len(got) == len(say) and ws.close(1000))
            return ws

        ws = play(setup)
        return got, ws

    return visit


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_talks_to_a_server_that_is_not_ours(visit, shown, trusting, version):
    trusting.minimum_version = trusting.maximum_version = version
    with foreign_server(ssl=shown) as url:
        got, ws = visit(url, trusting)
    assert got == ["hello", BIG] and ws.close_event.wasClean and ws.error is None


def test_both_ends_are_ours(visit, play, shown, trusting, log):
    with running_server(tls=shown) as server:
        url = f"wss://localhost:{server.port}"

        def setup():
            ws = log.watch(WebSocket(url, tls=trusting))
            ws.onopen = lambda event: ws.send("hello")
            ws.onmessage = lambda event: ws.close(1000)

        play(setup)
        assert log[-1] == ("close", 3, 1000, "", True)
        # The one end's rustls is the other's OpenSSL.
        got, _ = visit(url, tightwire.TLS(verify=True, ca=pem_of(trusting)))
        assert got == ["hello", BIG]


def pem_of(context):
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in context.get_ca_certs(True)).encode()


def test_a_server_serves_a_client_that_is_not_ours(shown, trusting):
    with running_server(tls=shown) as server:
        with websockets.sync.client.connect(
            f"wss://localhost:{server.port}", ssl=trusting, max_size=None
        ) as client:
            for data in ("hello", BIG):
                client.send(data)
                assert client.recv() == data


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda authority: trustme.CA().issue_cert("localhost"), "certificate_unknown_issuer"),
        (lambda authority: authority.issue_cert("other.example"), "certificate_wrong_name"),
        (
            lambda authority: authority.issue_cert(
                "localhost",
                not_before=datetime.datetime.now(datetime.UTC) - 3 * DAY,
                not_after=datetime.datetime.now(datetime.UTC) - DAY,
            ),
            "certificate_expired",
        ),
    ],
)
def test_what_the_context_refuses_is_refused_with_the_reason(visit, authority, trusting, make, kind):
    with running_server(tls=of_server(make(authority))) as server:
        got, ws = visit(f"wss://localhost:{server.port}", trusting)
    assert not got and isinstance(ws.error, ssl.SSLError), ws.error
    assert (ws.error.phase, ws.error.code, ws.error.kind) == ("tls", 24, kind)


def test_what_the_context_does_not_ask_for_is_not_asked_for(visit):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with running_server(tls=of_server(trustme.CA().issue_cert("other.example"))) as server:
        got, _ = visit(f"wss://localhost:{server.port}", context, ["hello"])
    assert got == ["hello"]


def test_certificates_of_clients(visit, authority, trusting):
    asking = of_server(authority.issue_cert("localhost"))
    asking.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(asking)
    with running_server(tls=asking) as server:
        url = f"wss://localhost:{server.port}"
        got, ws = visit(url, trusting)
        assert not got and ws.error.kind == "alert_certificate_required", ws.error.kind
        authority.issue_cert("client.example").configure_cert(trusting)
        assert visit(url, trusting)[0] == ["hello", BIG]


def test_settings_that_only_a_context_has(visit, shown, trusting):
    names = []
    shown.sni_callback = lambda tls, name, context: names.append(name)
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    trusting.set_ciphers("ECDHE+CHACHA20")
    with running_server(tls=shown) as server:
        assert visit(f"wss://localhost:{server.port}", trusting)[0] == ["hello", BIG]
    shown.sni_callback = None
    assert names == ["localhost"]


def test_a_server_gets_another_context(visit, authority, shown, trusting):
    with running_server(tls=shown) as server:
        url = f"wss://localhost:{server.port}"
        before = visit(url, trusting)[1]
        server.set_tls(of_server(trustme.CA().issue_cert("localhost")))
        assert visit(url, trusting)[1].error.kind == "certificate_unknown_issuer"
        server.set_tls(shown)
        assert visit(url, trusting)[0] == ["hello", BIG]
    assert before.error is None


def test_a_proxy_over_tls(visit, shown, trusting):
    def proxy(listener, to):
        client, _ = listener.accept()
        with shown.wrap_socket(client, server_side=True) as near:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += near.recv(1)
            with socket.create_connection(("127.0.0.1", to)) as far:
                near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                hand_on(near, far)

    def hand_on(near, far):
        near.settimeout(0.01)
        far.settimeout(0.01)
        open_ = True
        while open_:
            for source, sink in ((near, far), (far, near)):
                try:
                    data = source.recv(65536)
                except TimeoutError:
                    continue
                open_ = open_ and bool(data)
                sink.sendall(data)

    with running_server(tls=shown) as server, socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=proxy, args=(listener, server.port), daemon=True).start()
        way = Proxy(f"https://localhost:{listener.getsockname()[1]}", trusting)
        got, _ = visit(f"wss://localhost:{server.port}", trusting, ["hello"], proxy=way)
    assert got == ["hello"]


def test_a_cut_is_told_from_an_end(visit, shown, trusting):
    def cut(connection):
        with shown.wrap_socket(connection, server_side=True) as tls:
            accept_upgrade(tls)

    with raw_server(cut) as url:
        _, ws = visit(url.replace("ws:", "wss:"), trusting, say=())
    assert ws.error.kind == "tls_truncated"


def test_a_peer_without_tls(visit, trusting):
    with running_server() as server:
        _, ws = visit(f"wss://localhost:{server.port}", trusting)
    assert ws.error.kind == "not_tls"


@pytest.mark.parametrize("tls", [7, "context", object()])
def test_something_else_is_refused(tls):
    with pytest.raises(TypeError, match="SSLContext"):
        WebSocket("wss://localhost:1/", tls=tls)
    with pytest.raises(TypeError, match="SSLContext"):
        tightwire.serve(print, tls=tls)
