"""Types: of the package itself, of its stubs, and as whoever uses it sees them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import unavailable

import tightwire

PACKAGE = Path(tightwire.__file__).parent
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = HERE / "typing_cases.py"
EXAMPLES = sorted((ROOT / "examples" / "python").glob("*.py"))
STRICT = ["mypy", "--strict", "--no-error-summary"]

pytestmark = pytest.mark.seconds(180)


def check(*command, cwd=PACKAGE.parent, **environment):
    # What checks is not what is tested: no development mode for it.
    environment = {**os.environ, **environment, "PYTHONDEVMODE": ""}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """Runs a module of Python, with one cache for all."""
    cache = str(tmp_path_factory.mktemp("mypy"))
    return lambda *module: check(sys.executable, "-m", *module, MYPY_CACHE_DIR=cache)


@pytest.fixture
def pyright():
    program = ROOT / "tests" / "node" / "node_modules" / ".bin" / "pyright"
    if not program.exists():
        unavailable("pyright needs node: sudo apt-get install nodejs npm")
    # It looks for packages where the `python` of the path does.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return lambda *arguments: check(program, *arguments, cwd=HERE, PATH=path)


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()


def test_mypy_on_the_package(python):
    python(*STRICT, "-p", "tightwire")


def test_stubtest(python):
    python("mypy.stubtest", "tightwire", "--allowlist", HERE / "stubtest.allow", "--ignore-unused-allowlist")


def test_mypy_on_a_user(python):
    python(*STRICT, CASES)


def test_mypy_on_the_examples(python):
    """Their functions have no annotations, and `(a(), b())` is how a lambda does two things."""
    relaxed = ["--allow-untyped-defs", "--allow-untyped-calls", "--disable-error-code", "func-returns-value"]
    python(*STRICT, *relaxed, *EXAMPLES)


def test_pyright_on_the_package(pyright):
    pyright("--warnings", PACKAGE)


def test_pyright_on_users(pyright):
    pyright("--warnings", CASES, *EXAMPLES)


def test_every_public_type_is_known(pyright):
    told = pyright("--verifytypes", "tightwire", "--ignoreexternal")
    assert "Type completeness score: 100%" in told
