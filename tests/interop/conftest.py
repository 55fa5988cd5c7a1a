import datetime

import peers
import programs
import pytest
import trustme


class Certificates:
    """A throw-away authority and files with certificates of every kind of worth."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
        names = ("localhost", "127.0.0.1")
        self.good = self.write("good", self.authority.issue_cert(*names))
        self.wrong_name = self.write("wrong-name", self.authority.issue_cert("other.example"))
        self.expired = self.write(
            "expired", self.authority.issue_cert(*names, not_before=now - 30 * day, not_after=now - day)
        )
        self.not_yet = self.write(
            "not-yet", self.authority.issue_cert(*names, not_before=now + day, not_after=now + 30 * day)
        )
        self.stranger = self.write("stranger", trustme.CA().issue_cert(*names))
        self.self_signed = peers.self_signed(folder)

    def write(self, name, leaf):
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        for index, blob in enumerate(leaf.cert_chain_pems):
            blob.write_to_path(cert, append=index > 0)
        leaf.private_key_pem.write_to_path(key)
        return cert, key


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session", params=list(programs.SERVERS))
def server_command(request):
    return programs.SERVERS[request.param]


@pytest.fixture(scope="session", params=["ws", "wss"])
def our_server(request, server_command, certificates):
    """Our echo server in each language: its URL, and the flags with which a client trusts it."""
    tls = ["--tls", *certificates.good] if request.param == "wss" else []
    server = programs.Program([*server_command, "--port", "0", *tls])
    yield f"{request.param}://localhost:{server.port}/any/path?and=query", ["--ca", certificates.ca] if tls else []
    assert server.stop() == 0


@pytest.fixture(params=[*programs.THEIRS, *(f"our {name}" for name in programs.OURS)])
def any_client(request):
    """A scripted client of another library, or of ours."""
    name = request.param
    return programs.OURS[name.removeprefix("our ")] if name.startswith("our ") else programs.THEIRS[name]


@pytest.fixture(params=list(programs.THEIRS))
def their_client(request):
    return programs.THEIRS[request.param]


@pytest.fixture(params=list(programs.OURS))
def client(request):
    """Our scripted client in each language."""
    return programs.OURS[request.param]


@pytest.fixture(scope="session", params=["websockets", "ws"])
def their_server(request, certificates):
    """A server of another library, plain and with TLS: `(scheme) -> URL without path, flags`."""
    started = {s: peers.start(request.param, certificates.good if s == "wss" else None) for s in ("ws", "wss")}
    yield {
        "ws": (f"ws://127.0.0.1:{started['ws'].port}", []),
        "wss": (f"wss://localhost:{started['wss'].port}", ["--ca", certificates.ca]),
    }
    for server in started.values():
        server.stop()
