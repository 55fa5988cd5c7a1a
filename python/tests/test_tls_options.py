"""The options of TLS(): pins, certificates of clients, certificates by name, replacing them, key logs."""

import base64
import datetime
import hashlib
import socket
import ssl
import stat
import threading
import warnings

import pytest
import trustme
import websockets.sync.client
from conftest import SECONDS, echo, foreign_server, running_server
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import tightwire
from tightwire import TLS, WebSocket

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def ca(authority):
    return authority.cert_pem.bytes()


def pem(leaf):
    """Certificates and key in one text."""
    return leaf.private_key_and_cert_chain_pem.bytes()


def pin(text):
    """The pin of the first certificate in a PEM text, computed by somebody else."""
    key = x509.load_pem_x509_certificates(text)[0].public_key()
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(spki).digest()).decode()


def talk(play, log, port, tls, host="localhost"):
    """A conversation; the socket, once it is over."""

    def setup():
        ws = log.watch(WebSocket(f"wss://{host}:{port}", tls=tls))
        ws.onopen = lambda event: ws.send("hello")
        ws.onmessage = lambda event: ws.close(1000)
        return ws

    log.clear()
    return play(setup)


def accepted(play, log, port, tls):
    talk(play, log, port, tls)
    assert log == [("open", 1), ("message", 1, "hello"), ("close", 3, 1000, "", True)]


def refused(play, log, port, tls, why):
    ws = talk(play, log, port, tls)
    assert log == [("error", 3), ("close", 3, 1006, "", False)]
    assert isinstance(ws.error, tightwire.TLSError)
    assert (ws.error.phase, ws.error.code) == ("tls", 24)
    assert why in str(ws.error)


def test_pins(play, log, authority, ca):
    leaf, stranger = pem(authority.issue_cert("localhost")), pem(trustme.CA().issue_cert("localhost"))
    with running_server(tls=TLS(cert=leaf)) as server:
        for pins in (pin(leaf), [pin(stranger), pin(leaf)], (pin(ca),)):
            accepted(play, log, server.port, TLS(ca=ca, pins=pins))
        refused(play, log, server.port, TLS(ca=ca, pins=pin(stranger)), pin(leaf))
        refused(play, log, server.port, TLS(ca=trustme.CA().cert_pem.bytes(), pins=pin(leaf)), "certificate")
        # A pin alone is a way to trust a single device, and no reason to warn.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tls = TLS(verify=False, pins=pin(leaf))
        accepted(play, log, server.port, tls)
        refused(play, log, server.port, TLS(verify=False, pins=pin(ca)), "pin")


@pytest.mark.parametrize(
    "names, host, options, why",
    [
        (["other.example"], "localhost", {}, "other.example"),
        (["*.localhost"], "localhost", {}, "*.localhost"),
        (["127.0.0.2"], "127.0.0.1", {}, "127.0.0.2"),
        (["localhost"], "127.0.0.1", {}, "localhost"),
        (["localhost"], "localhost", {"not_before": -9, "not_after": -1}, "expired"),
        (["localhost"], "localhost", {"not_before": 1, "not_after": 9}, "not valid yet"),
    ],
)
def test_certificates_that_are_refused(play, log, authority, ca, names, host, options, why):
    now = datetime.datetime.now(datetime.timezone.utc)
    days = {name: now + count * DAY for name, count in options.items()}
    seen = []
    with running_server(seen.append, tls=TLS(cert=pem(authority.issue_cert(*names, **days)))) as server:
        ws = talk(play, log, server.port, TLS(ca=ca), host)
    assert (ws.error.phase, ws.error.code) == ("tls", 24) and why in str(ws.error)
    assert log.kinds == ["error", "close"] and seen == []


@pytest.mark.parametrize("required", [True, False])
def test_certificates_of_clients(play, log, authority, ca, required):
    clients = trustme.CA()
    tls = TLS(
        cert=pem(authority.issue_cert("localhost")),
        client_ca=clients.cert_pem.bytes(),
        client_cert_required=required,
    )
    with running_server(tls=tls) as server:
        accepted(play, log, server.port, TLS(ca=ca, cert=pem(clients.issue_cert("client"))))
        other = TLS(ca=ca, cert=pem(trustme.CA().issue_cert("client")))
        refused(play, log, server.port, other, "rejected our certificate")
        if required:
            refused(play, log, server.port, TLS(ca=ca), "demands a certificate of us")
        else:
            accepted(play, log, server.port, TLS(ca=ca))


def test_a_client_shows_its_certificate_to_a_foreign_server(play, log, authority, ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with foreign_server(ssl=context) as url:
        port = url.rstrip("/").rpartition(":")[2]
        accepted(play, log, port, TLS(ca=ca, cert=pem(authority.issue_cert("client"))))
        ws = talk(play, log, port, TLS(ca=ca))
    assert (ws.error.phase, ws.error.code) == ("tls", 24) and "certificate" in str(ws.error)


def test_certificates_by_name(play, log, authority, ca):
    first, wildcard, exact = (
        pem(authority.issue_cert(*names))
        for names in (["localhost"], ["*.site.example"], ["a.site.example"])
    )
    with running_server(tls=TLS(cert=first, more_certs=[(wildcard, None), (exact, exact)])) as server:
        for name, shown in [
            (None, first),
            ("localhost", first),
            ("a.site.example", exact),
            ("b.site.example", wildcard),
        ]:
            accepted(play, log, server.port, TLS(ca=ca, server_name=name, pins=pin(shown)))


class ByHand:
    """A client that does everything in one thread, which OpenSSL wants of its users."""

    REQUEST = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )

    def __init__(self, port, ca):
        context = ssl.create_default_context(cadata=ca.decode())
        plain = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.stream = context.wrap_socket(plain, server_hostname="localhost")
        self.stream.sendall(self.REQUEST)
        self.incoming = self.stream.makefile("rb")
        assert self.incoming.readline().startswith(b"HTTP/1.1 101 ")
        while self.incoming.readline() != b"\r\n":
            pass

    def echoes(self, text):
        self.stream.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        return self.incoming.read(2 + len(text)) == bytes([0x81, len(text)]) + text

    def close(self):
        self.stream.sendall(bytes([0x88, 0x80, 0, 0, 0, 0]))
        assert self.incoming.read() == bytes([0x88, 0])
        self.incoming.close()
        self.stream.close()


def test_replacing_the_certificate(play, log, authority, ca):
    old, new = (pem(authority.issue_cert("localhost")) for _ in range(2))
    shared = TLS(cert=old)
    with running_server(tls=shared) as server, running_server(tls=shared) as other:
        clients = [ByHand(server.port, ca) for _ in range(20)]
        accepted(play, log, server.port, TLS(ca=ca, pins=pin(old)))
        thread = threading.Thread(target=server.set_tls, args=[TLS(cert=new)])
        thread.start()
        thread.join(SECONDS)
        accepted(play, log, server.port, TLS(ca=ca, pins=pin(new)))
        refused(play, log, server.port, TLS(ca=ca, pins=pin(old)), "pin")
        accepted(play, log, other.port, TLS(ca=ca, pins=pin(old)))
        assert all(client.echoes(b"still there?") for client in clients)
        for client in clients:
            client.close()
        with pytest.raises(ValueError, match="a server needs"):
            server.set_tls(TLS(ca=ca))
        with pytest.raises(TypeError):
            server.set_tls(None)
    with running_server() as plain, pytest.raises(ValueError, match="made without tls"):
        plain.set_tls(TLS(cert=new))


def test_versions_and_resumption(play, log, authority, ca):
    leaf = authority.issue_cert("localhost")
    with running_server(tls=TLS(cert=pem(leaf), min_version="1.3", resumption=False)) as server:
        accepted(play, log, server.port, TLS(ca=ca, min_version="1.3", resumption=False))
        context = ssl.create_default_context(cadata=ca.decode())
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION|protocol version"):
            websockets.sync.client.connect(f"wss://localhost:{server.port}", ssl=context)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with foreign_server(ssl=context) as url:
        port = url.rstrip("/").rpartition(":")[2]
        accepted(play, log, port, TLS(ca=ca))
        ws = talk(play, log, port, TLS(ca=ca, min_version="1.3"))
    assert (ws.error.phase, ws.error.code) == ("tls", 23) and "version" in str(ws.error)


def test_the_key_log(play, log, authority, ca, tmp_path, monkeypatch):
    ours, theirs, named = (tmp_path / name for name in ("ours", "theirs", "named"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(named))
    with running_server(tls=TLS(cert=pem(authority.issue_cert("localhost")), keylog=theirs)) as server:
        accepted(play, log, server.port, TLS(ca=ca, keylog=str(ours)))
        assert sorted(ours.read_text().splitlines()) == sorted(theirs.read_text().splitlines())
        assert ours.read_text().startswith("CLIENT_HANDSHAKE_TRAFFIC_SECRET ")
        assert stat.S_IMODE(ours.stat().st_mode) == 0o600
        accepted(play, log, server.port, TLS(ca=ca, keylog=False))
        assert not named.exists()
        accepted(play, log, server.port, TLS(ca=ca, keylog=True))
        assert named.read_text().startswith("CLIENT_HANDSHAKE_TRAFFIC_SECRET ")


def test_what_the_system_trusts_counts_too_if_that_is_wanted(play, log, authority, ca, monkeypatch, tmp_path):
    system = trustme.CA()
    system.cert_pem.write_to_path(tmp_path / "system.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with running_server(tls=TLS(cert=pem(system.issue_cert("localhost")))) as server:
        accepted(play, log, server.port, TLS(ca=ca, system_cas=True))
        refused(play, log, server.port, TLS(ca=ca), "certificate is not trusted")
    with running_server(tls=TLS(cert=pem(authority.issue_cert("localhost")))) as server:
        accepted(play, log, server.port, TLS(ca=ca, system_cas=True))


def test_bad_options(authority, ca):
    leaf = pem(authority.issue_cert("localhost"))
    for options, error, text in [
        ({"pins": 1}, TypeError, "pins"),
        ({"pins": "AAAA"}, ValueError, 'pins: pin "AAAA" is not sha256//'),
        ({"pins": ["sha256//AAAA"]}, ValueError, "pins"),
        ({"min_version": "1.1"}, ValueError, "min_version"),
        ({"min_version": 1.3}, TypeError, "min_version"),
        ({"keylog": 5}, TypeError, "keylog"),
        ({"keylog": "/no/such/folder/keys"}, tightwire.TLSError, "keylog: /no/such/folder/keys"),
        ({"system_cas": True, "verify": False}, ValueError, "system_cas"),
        ({"more_certs": [(leaf, leaf)]}, ValueError, "more_certs"),
        ({"client_ca": ca}, ValueError, "client_ca"),
        ({"cert": leaf, "client_ca": b"x"}, tightwire.TLSError, "client_ca: no certificate"),
        ({"cert": leaf, "more_certs": leaf}, TypeError, "more_certs"),
        ({"cert": leaf, "more_certs": [leaf]}, TypeError, "more_certs"),
        ({"cert": leaf, "more_certs": [(ca, None)]}, tightwire.TLSError, "no private key"),
        ({"cert": leaf, "more_certs": [("/no/such.pem", None)]}, FileNotFoundError, "more_certs"),
    ]:
        with pytest.raises(error, match=text):
            TLS(**options)


def test_a_handler_may_replace_the_certificate(play, log, authority, ca):
    new = pem(authority.issue_cert("localhost"))

    def handler(ws):
        server.set_tls(TLS(cert=new))
        echo(ws)

    with running_server(handler, tls=TLS(cert=pem(authority.issue_cert("localhost")))) as server:
        accepted(play, log, server.port, TLS(ca=ca))
        accepted(play, log, server.port, TLS(ca=ca, pins=pin(new)))
