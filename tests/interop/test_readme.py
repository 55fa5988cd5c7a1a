"""The README's examples in C, C++ and Python are compiled and say hello to our echo server; those in Rust are
documentation tests of tests/src/lib.rs."""

import re
import subprocess
import sys

import peers
import programs
import pytest

README = (programs.ROOT / "README.md").read_text()
LIBRARIES = [programs.BIN / "libtightwire.a", "-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]
STRICT = ["-Wall", "-Wextra", "-Werror", "-I", programs.ROOT / "include"]


def example(language):
    """The program that says hello, and the lines that switch compression on in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    assert len(found) == 2, f"{len(found)} examples in {language}"
    return found


def hello(language):
    return example(language)[0]


# Where the lines about compression belong in the program.
PLACES = {
    "c": (r"^ *opts\.url = .*$", r"{lines}\g<0>"),
    "cpp": (r"^ *ws\.connect\(.*$", "const std::string url = argc > 1 ? argv[1] : \"\";\n{lines}"),
    "python": (r"^ws = .*$", "url = sys.argv[1]\n{lines}"),
}


def with_compression(language):
    program, lines = example(language)
    place, change = PLACES[language]
    changed, count = re.subn(place, change.format(lines=lines), program, count=1, flags=re.M)
    assert count == 1
    return changed


def built(folder, compiler, name, text):
    """The example's program."""
    source, program = folder / name, folder / "hello"
    source.write_text(text)
    command = [*compiler, *STRICT, source, *LIBRARIES, "-o", program]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [program]


def script(folder, text):
    path = folder / "hello.py"
    path.write_text(text)
    return [sys.executable, path]


PROGRAMS = {
    "c": lambda folder, text: built(folder, ["gcc", "-std=c11"], "hello.c", text),
    "cpp": lambda folder, text: built(folder, ["g++", "-std=c++11"], "hello.cpp", text),
    "python": script,
}


@pytest.mark.parametrize("language", list(PROGRAMS))
def test_the_example_says_hello(language, tmp_path):
    command = PROGRAMS[language](tmp_path, hello(language))
    server = programs.Program([*programs.SERVERS["rust"], "--port", "0"])
    url = f"ws://127.0.0.1:{server.port}/"
    done = subprocess.run(
        [*map(str, command), url], capture_output=True, text=True, timeout=programs.PATIENCE, check=False
    )
    assert server.stop() == 0
    assert (done.returncode, done.stdout) == (0, "hello\n"), done


@pytest.mark.parametrize("language", list(PROGRAMS))
def test_the_lines_about_compression_make_it_offer_that(language, tmp_path):
    command = PROGRAMS[language](tmp_path, with_compression(language))
    server = programs.Program([*programs.SERVERS["rust"], "--port", "0", "--deflate"])
    with peers.Relay(server.port) as relay:
        done = subprocess.run(
            [*map(str, command), f"ws://127.0.0.1:{relay.port}/"],
            capture_output=True, text=True, timeout=programs.PATIENCE, check=False,
        )  # fmt: skip
    assert server.stop() == 0
    assert (done.returncode, done.stdout) == (0, "hello\n"), done
    # The windows of 4 KiB are what is parked.
    assert b"client_max_window_bits; server_max_window_bits=12" in relay.first
