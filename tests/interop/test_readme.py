"""The README's examples in C, C++ and Python are compiled and say hello to our echo server; those in Rust are
documentation tests of tests/src/lib.rs."""

import os
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
    """The program that says hello, the lines that have it come back, and those that switch compression on in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    assert len(found) == 3, f"{len(found)} examples in {language}"
    return found


def hello(language):
    return example(language)[0]


# Where such lines belong in the program.
PLACES = {
    "c": (r"^ *opts\.url = .*$", r"{lines}\g<0>"),
    "cpp": (r"^ *ws\.connect\(.*$", "const std::string url = argc > 1 ? argv[1] : \"\";\n{lines}"),
    "python": (r"^ws = .*$", "url = sys.argv[1]\n{lines}"),
}


def changed(language, lines):
    """The program with these lines in it."""
    program = hello(language)
    place, change = PLACES[language]
    made, count = re.subn(place, change.format(lines=lines), program, count=1, flags=re.M)
    assert count == 1
    return made


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
    command = PROGRAMS[language](tmp_path, changed(language, example(language)[2]))
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


def coming_back(language):
    """The program that comes back. In Python the lines are its end."""
    lines = example(language)[1]
    if language != "python":
        return changed(language, lines)
    head, _, _ = hello(language).partition("ws = ")
    reply = hello(language)[hello(language).index("def reply") :].partition("\n\n\n")[0]
    return f"{head}url = sys.argv[1]\n{reply.replace('ws.', 'event.target.')}\n\n{lines}"


@pytest.mark.parametrize("language", list(PROGRAMS))
def test_the_lines_about_coming_back_do_it_and_log_in(language, tmp_path):
    command = PROGRAMS[language](tmp_path, coming_back(language))
    server = programs.Program([*programs.SERVERS["rust"], "--port", "0"])
    with peers.Relay(server.port, drops=2) as relay:
        done = subprocess.run(
            [*map(str, command), f"ws://127.0.0.1:{relay.port}/"],
            capture_output=True, text=True, timeout=programs.PATIENCE, check=False,
        )  # fmt: skip
    assert server.stop() == 0
    assert (done.returncode, done.stdout) == (0, "hello\n"), done
    assert relay.dropped == 2
    assert b"Authorization: Bearer token\r\n" in relay.first


CLIENTS = ["echo_client", "asyncio_client", "trio_client", "thread_client", "selectors_host"]


@pytest.mark.parametrize("name", CLIENTS)
def test_the_python_clients_of_the_table_say_hello(name):
    path = f"examples/python/{name}.py"
    assert f"({path})" in README
    server = programs.Program([*programs.SERVERS["rust"], "--port", "0"])
    command = [sys.executable, programs.ROOT / path, f"ws://127.0.0.1:{server.port}/"]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=programs.PATIENCE, check=False,
        env=os.environ | {"PYTHONPATH": str(programs.ROOT / "python")},
    )  # fmt: skip
    assert server.stop() == 0
    assert (done.returncode, done.stdout) == (0, "hello\n"), done
