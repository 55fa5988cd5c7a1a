"""The README's examples in C, C++ and Python are compiled and say hello to our echo server; those in Rust are
documentation tests of tests/src/lib.rs."""

import re
import subprocess
import sys

import programs
import pytest

README = (programs.ROOT / "README.md").read_text()
LIBRARIES = [programs.BIN / "libtightwire.a", "-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]
STRICT = ["-Wall", "-Wextra", "-Werror", "-I", programs.ROOT / "include"]


def example(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    assert len(found) == 1, f"{len(found)} examples in {language}"
    return found[0]


def built(folder, compiler, name):
    """The example's program."""
    source, program = folder / name, folder / "hello"
    source.write_text(example(source.suffix[1:]))
    command = [*compiler, *STRICT, source, *LIBRARIES, "-o", program]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [program]


def script(folder):
    path = folder / "hello.py"
    path.write_text(example("python"))
    return [sys.executable, path]


PROGRAMS = {
    "c": lambda folder: built(folder, ["gcc", "-std=c11"], "hello.c"),
    "cpp": lambda folder: built(folder, ["g++", "-std=c++11"], "hello.cpp"),
    "python": script,
}


@pytest.mark.parametrize("language", list(PROGRAMS))
def test_the_example_says_hello(language, tmp_path):
    command = PROGRAMS[language](tmp_path)
    server = programs.Program([*programs.SERVERS["rust"], "--port", "0"])
    url = f"ws://127.0.0.1:{server.port}/"
    done = subprocess.run(
        [*map(str, command), url], capture_output=True, text=True, timeout=programs.PATIENCE, check=False
    )
    assert server.stop() == 0
    assert (done.returncode, done.stdout) == (0, "hello\n"), done
