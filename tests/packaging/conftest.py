"""The installed tree, made once, and how to run what is built against it."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PREFIX = "/opt/tightwire"


def run(*command, **more):
    """Runs a command, which has to succeed, and yields what it printed."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=600, check=False, **more
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def pytest_collection_modifyitems(items):
    """Compilers work here: the usual limit of a test is too little for some on a busy machine."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """Where the library is installed: the prefix below a DESTDIR."""
    stage = tmp_path_factory.mktemp("stage")
    run(ROOT / "packaging" / "install", env={**os.environ, "DESTDIR": str(stage), "PREFIX": PREFIX, "LIBDIR": "lib"})
    return Path(f"{stage}{PREFIX}")


def pkg_config(tree, *options):
    """What pkg-config says of the tree, which is not where it will be."""
    env = {**os.environ, "PKG_CONFIG_PATH": str(tree / "lib" / "pkgconfig")}
    return run("pkg-config", f"--define-variable=prefix={tree}", *options, "tightwire", env=env).split()


def pkg_config_static(tree):
    """The same for the static library, which has to be asked for by name where there is a shared one."""
    flags = pkg_config(tree, "--static", "--cflags", "--libs")
    return ["-l:libtightwire.a" if flag == "-ltightwire" else flag for flag in flags]


@pytest.fixture(scope="session")
def library(tree):
    return tree / "lib" / "libtightwire.so"
