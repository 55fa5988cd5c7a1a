import base64
import os
import ssl
import sys
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]

import chromium  # noqa: E402
import scripted  # noqa: E402
from ours import PLAYER_CPP  # noqa: E402


def pytest_collection_modifyitems(items):
    """With several workers, what is played in one scenario is played by one of them, so that Chromium is asked once."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        item.add_marker(pytest.mark.xdist_group(str(parameters.get("name", item.path.stem))))


class Identity:
    """A certificate for this machine: a server's context, the file of who issued it, and what Chromium calls it."""

    def __init__(self, folder):
        authority = trustme.CA()
        leaf = authority.issue_cert("localhost")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(self.context)
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        certificate = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
        form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        digest = hashes.Hash(hashes.SHA256())
        digest.update(certificate.public_key().public_bytes(*form))
        self.spki = base64.b64encode(digest.finalize()).decode()


@pytest.fixture(scope="session")
def identity(tmp_path_factory):
    return Identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="session")
def browser(identity):
    if chromium.program() is None:
        pytest.fail("Chromium is missing; install it with: sudo apt-get install chromium")
    started = chromium.Chromium(f"--ignore-certificate-errors-spki-list={identity.spki}")
    yield started
    started.close()


@pytest.fixture(scope="session")
def server(identity):
    with scripted.Server(identity.context) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_was_wrong_for_the_server(request):
    yield
    if "server" in request.fixturenames:
        server = request.getfixturevalue("server")
        failures, server.failures[:] = list(server.failures), []
        assert failures == []


@pytest.fixture(scope="session")
def player_cpp():
    if not PLAYER_CPP.exists():
        assert "CI" not in os.environ, f"{PLAYER_CPP} was not built"
        pytest.skip(f"{PLAYER_CPP.name} was left out: Boost.JSON is not installed")
    return PLAYER_CPP
