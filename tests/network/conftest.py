import os
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "interop"))
os.environ["PATH"] += ":/usr/sbin:/sbin"

import programs  # noqa: E402 - it is found only now
import pytest  # noqa: E402
from network import Pair, Server  # noqa: E402


def refusal():
    """Why this machine has no network namespaces for us; None if it has."""
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else None


@pytest.fixture(scope="session", autouse=True)
def namespaces():
    # Not a package that could be installed: a container may have no right to it.
    if reason := refusal():
        pytest.skip(f"no network namespaces: {reason}")


@pytest.fixture
def pair():
    pair = Pair()
    yield pair
    pair.stop()


@pytest.fixture
def server(pair):
    server = Server(pair)
    yield server
    server.stop()


@pytest.fixture(params=list(programs.OURS))
def client(request):
    """Our scripted client in each language."""
    return programs.OURS[request.param]
