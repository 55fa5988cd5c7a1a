import os
import sys
from pathlib import Path

import compiling
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs/man"))


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    """Compiles against the library in LIBRARY_DIR, target/release unless it is set."""
    library = Path(os.environ.get("LIBRARY_DIR", ROOT / "target/release"))
    return compiling.Compiler(ROOT / "include", library, tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with ca.pem and a certificate for this machine, cert.pem with key.pem."""
    import trustme

    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    for at, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=at > 0)
    return folder
