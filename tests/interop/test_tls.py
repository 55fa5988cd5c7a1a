"""TLS as OpenSSL sees it: what our servers and clients accept, offer, and refuse."""

import re
import socket
import ssl
import subprocess

import peers
import programs
import pytest
from peers import Recorder, server_context
from programs import talk

OLD = ["-cipher", "DEFAULT@SECLEVEL=0"]


@pytest.fixture(scope="module")
def tls_server(server_command, certificates):
    server = programs.Program([*server_command, "--port", "0", "--tls", *certificates.good])
    yield server
    assert server.stop() == 0


def s_client(server, certificates, *options):
    """The exit code and the report of `openssl s_client`."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", str(certificates.ca)]
    command += ["-verify_return_error", *options]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=programs.PATIENCE, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("version, name", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
@pytest.mark.parametrize("sni", [["-servername", "localhost"], ["-servername", "unknown.example"], ["-noservername"]])
def test_server_takes_tls_1_2_and_1_3_with_any_server_name(tls_server, certificates, version, name, sni):
    status, report = s_client(tls_server, certificates, version, *sni)
    assert status == 0, report
    assert f"New, {name}, Cipher is" in report
    assert "Verify return code: 0 (ok)" in report


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_server_refuses_older_versions(tls_server, certificates, version):
    status, report = s_client(tls_server, certificates, version, *OLD)
    assert status != 0, report
    assert re.search("alert (handshake failure|protocol version)", report), report


def test_server_chooses_http_1_1_by_alpn(tls_server, certificates):
    _, report = s_client(tls_server, certificates, "-alpn", "h2,http/1.1")
    assert "ALPN protocol: http/1.1" in report


def test_server_works_without_alpn(tls_server, certificates):
    status, report = s_client(tls_server, certificates)
    assert status == 0, report
    assert "No ALPN negotiated" in report


def test_server_survives_plain_http(tls_server, certificates):
    with socket.create_connection(("127.0.0.1", tls_server.port), timeout=programs.PATIENCE) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            reply = sock.recv(4096)
        except ConnectionResetError:
            reply = b""
    assert b"HTTP/1.1 101" not in reply
    assert s_client(tls_server, certificates)[0] == 0


def limited(certificates, version):
    context = server_context(certificates.good)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version, name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_client_speaks_tls_1_2_and_1_3(client, certificates, version, name):
    with Recorder(limited(certificates, version), reply=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as server:
        events = talk(client, f"wss://localhost:{server.port}/", "--ca", certificates.ca)
        assert server.versions == [name]
    assert "404" in events.error["text"]


def test_client_sends_server_name_and_alpn(client, certificates):
    context = server_context(certificates.good)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Recorder(context, reply=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as server:
        talk(client, f"wss://localhost:{server.port}/", "--ca", certificates.ca)
        assert (server.sni, server.alpn) == (["localhost"], ["http/1.1"])
        assert server.received.startswith(b"GET / HTTP/1.1\r\n")


def test_client_sends_no_server_name_for_an_address(client, certificates):
    with Recorder(server_context(certificates.good), reply=b"HTTP/1.1 404 Not Found\r\n\r\n") as server:
        talk(client, f"wss://127.0.0.1:{server.port}/", "--ca", certificates.ca)
        assert server.sni == [None]
        assert server.received.startswith(b"GET / ")


REFUSALS = {
    "wrong name": ("wrong_name", "name"),
    "expired": ("expired", "expired"),
    "not valid yet": ("not_yet", "not (yet valid|valid yet)"),
    "self-signed": ("self_signed", "issuer|self.signed|trust"),
    "of a stranger": ("stranger", "issuer|trust"),
}


@pytest.mark.parametrize("which", list(REFUSALS))
def test_client_refuses_a_certificate_and_says_why(client, certificates, which):
    files, reason = REFUSALS[which]
    with Recorder(server_context(getattr(certificates, files))) as server:
        events = talk(client, f"wss://localhost:{server.port}/", "--ca", certificates.ca)
        server.wait()
        assert server.received == b"", "nothing may be sent to a server whose certificate was refused"
    assert not events.of("open")
    assert (events.error["phase"], events.error["code"]) == ("tls", 24)
    assert re.search(reason, events.error["text"], re.I), events.error
    assert (events.close["code"], events.close["clean"]) == (1006, False)


def test_client_trusts_no_unknown_authority_by_default(client, certificates):
    with Recorder(server_context(certificates.good)) as server:
        events = talk(client, f"wss://localhost:{server.port}/")
        server.wait()
        assert server.received == b""
    assert (events.error["phase"], events.error["code"]) == ("tls", 24)


@pytest.mark.parametrize(
    "files, flags", [("wrong_name", ["--name", "other.example"]), ("self_signed", ["--insecure"]), ("expired", ["--insecure"])]
)
def test_client_can_be_told_to_trust(client, certificates, files, flags):
    server = peers.start("websockets", getattr(certificates, files))
    trust = ["--ca", certificates.ca] if "--name" in flags else []
    events = talk(client, f"wss://127.0.0.1:{server.port}/echo", *trust, *flags, say=["text x", "wait message"])
    server.stop()
    assert [e["data"] for e in events.messages] == ["x"]


def test_client_says_that_a_plain_server_speaks_no_tls(client):
    with Recorder(reply=b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as server:
        events = talk(client, f"wss://localhost:{server.port}/")
        server.wait()
        assert b"GET" not in server.received
    assert (events.error["phase"], events.error["code"]) == ("tls", 23)
    assert "TLS" in events.error["text"]


def test_client_refuses_a_server_that_ends_at_tls_1_1(client, certificates):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    cert, key = certificates.good
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", cert, "-key", key, "-tls1_1", *OLD]
    server = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        while "ACCEPT" not in server.stdout.readline():
            assert server.poll() is None
        events = talk(client, f"wss://localhost:{port}/", "--ca", certificates.ca)
    finally:
        server.kill()
        report = server.communicate()[0]
    assert "GET" not in report
    assert (events.error["phase"], events.error["code"]) == ("tls", 23)
    assert re.search("version", events.error["text"], re.I), events.error
