import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

import chromium  # noqa: E402


@pytest.fixture(scope="session")
def browser():
    if chromium.program() is None:
        pytest.fail("Chromium is missing; install it with: sudo apt-get install chromium")
    started = chromium.Chromium()
    yield started
    started.close()
