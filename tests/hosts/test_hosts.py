"""The same C program, unchanged, in every loop that a host may have: the transcript is always the same."""

import os
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INCLUDE = ROOT / "include"
LIBRARY = Path(os.environ.get("LIBRARY_DIR", ROOT / "target" / "release")) / "libtightwire.a"
SYSTEM = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]
DRIVERS = sorted(HERE.glob("drive_*.c*"))
COMPILERS = {".c": ["gcc", "-std=gnu11"], ".cpp": ["g++", "-std=c++17", "-fPIC"]}
PATIENCE = 120


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def missing(driver):
    """The library of the host that is not installed, if there is one."""
    text = driver.read_text()
    package, header = re.search(r"pkg-config: (\S+)", text), re.search(r"header: (\S+)", text)
    if package and subprocess.run(["pkg-config", "--exists", package[1]], check=False).returncode:
        return package[1]
    if header and not Path("/usr/include", header[1]).exists():
        return header[1]
    return None


@pytest.fixture(scope="session", params=DRIVERS, ids=lambda path: path.stem.removeprefix("drive_"))
def program(request, tmp_path_factory):
    driver = request.param
    if lacking := missing(driver):
        assert "CI" not in os.environ, f"{lacking} is not installed"
        pytest.skip(f"{lacking} is not installed")
    folder = tmp_path_factory.mktemp("host")
    package = re.search(r"pkg-config: (\S+)", driver.read_text())
    flags = run("pkg-config", "--cflags", "--libs", package[1]).split() if package else []
    warnings = ["-O1", "-Wall", "-Wextra", "-Werror", "-I", INCLUDE]
    run("gcc", "-std=gnu11", "-pedantic", *warnings, "-c", HERE / "program.c", "-o", folder / "program.o")
    compiler = COMPILERS[driver.suffix]
    run(*compiler, *warnings, driver, folder / "program.o", LIBRARY, *flags, *SYSTEM, "-o", folder / "host")
    return folder / "host"


@pytest.mark.parametrize("waits", ["plain", "waiter"])
@pytest.mark.parametrize("budget", [16, 1])
def test_the_transcript_is_the_same(program, budget, waits):
    assert run(program, budget, waits) == (HERE / "transcript.txt").read_text()
