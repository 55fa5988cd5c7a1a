"""What `help` shows: every public name has a text of its own, and every example runs."""

import asyncio
import inspect
import pydoc
import queue
import re
import selectors
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trio
from conftest import SECONDS, running_server

import tightwire

ROOT = Path(__file__).resolve().parents[2]
CLASSES = [value for value in vars(tightwire).values() if inspect.isclass(value)]
# What Python itself gives to named tuples and exceptions.
INHERITED = {"count", "index", "args", "add_note", "with_traceback", "errno", "strerror", "filename", "filename2",
             "characters_written", "library", "reason", "verify_code", "verify_message"}  # fmt: skip


def members(owner):
    for name in dir(owner):
        if not name.startswith("_") and name not in INHERITED:
            yield name, inspect.getattr_static(owner, name)


def public():
    """Every public name with what it names."""
    yield "tightwire", tightwire
    for name in tightwire.__all__:
        value = getattr(tightwire, name)
        yield name, value
        if inspect.isclass(value):
            for member, found in members(value):
                yield f"{name}.{member}", found


def docstring(value):
    return inspect.getdoc(getattr(value, "__func__", value))


def examples():
    """Every example of a docstring, by the name that it explains."""
    seen = set()
    for name, value in public():
        text = docstring(value) or ""
        for number, found in enumerate(re.finditer(r"^Example:\n((?:    .*\n|\n)+)", text + "\n", re.M)):
            if found[1] not in seen:
                seen.add(found[1])
                yield pytest.param(textwrap.dedent(found[1]), id=f"{name}-{number}")


EXAMPLES = list(examples())


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs(code, capsys):
    def greet(ws):
        ws.onmessage = lambda event: ws.send(event.data)

    names = {"asyncio": asyncio, "queue": queue, "selectors": selectors, "tightwire": tightwire, "trio": trio}
    with running_server(greet) as server:
        code = code.replace("ws://localhost:9001/", f"ws://localhost:{server.port}/")
        exec(compile(code, "example", "exec"), names)  # noqa: S102 - our own text
        printed = capsys.readouterr()
    assert printed.err == ""
    assert bool(printed.out) == ("print(" in code)


def test_there_are_examples_for_what_matters():
    named = {example.id.split("-")[0] for example in EXAMPLES}
    assert named >= {"tightwire", "WebSocket", "EventTarget", "Blob", "ArrayBuffer", "AbortController", "Loop", "serve",
                     "reconnect"}  # fmt: skip


def test_every_public_name_is_documented():
    missing = [
        name
        for name, value in public()
        if not isinstance(value, (int, str)) and not docstring(value)
    ]
    assert missing == []


def test_stubs_have_the_same_texts():
    command = [sys.executable, ROOT / "tests" / "scripts" / "stubs.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_reads_like_documentation():
    text = pydoc.render_doc(tightwire.WebSocket, renderer=pydoc.plaintext)
    assert "class WebSocket(EventTarget)\n |  WebSocket(url, protocols=None, *, base=None, headers=None" in text
    for part in ("Example:\n |      ws = tightwire.WebSocket(", "Args:\n |      url: `ws:` or `wss:`", "Raises:",
                 "Called for each message", "Queues a message.", "InvalidAccessError: Another code."):  # fmt: skip
        assert part in text, part
    # In the order of the stub, which is the constructor's.
    stub = (ROOT / "python" / "tightwire" / "_native.pyi").read_text()
    init = re.search(r"class WebSocket.*?def __init__\(\s+self,(.*?)\) -> None", stub, re.S)[1]
    expected = re.findall(r"^\s+(\w+):", init, re.M)
    assert list(inspect.signature(tightwire.WebSocket).parameters) == expected
