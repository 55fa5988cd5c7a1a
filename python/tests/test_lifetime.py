"""How long the object of a socket lives, and what its end means: the standard's rule for the collector."""

import gc
import os
import socket
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path

import pytest
from conftest import SECONDS, accept_upgrade, raw_server, read_head, running_server, wait_for_end

import tightwire
from tightwire import WebSocket


@pytest.mark.parametrize("kind", ["open", "message", "error", "close"])
def test_while_connecting_any_listener_keeps_it(kind):
    with raw_server(wait_for_end) as url, tightwire.Loop() as loop:
        ws = WebSocket(url, loop=loop)
        ws.addEventListener(kind, print)
        gone = weakref.ref(ws)
        del ws
        gc.collect()
        assert gone() is not None
        loop.dispatch()
        gone().removeEventListener(kind, print)
        assert gone() is None


def test_while_open_a_listener_for_open_does_not_keep_it(play):
    closes = []

    def script(connection):
        accept_upgrade(connection)
        closes.append(connection.recv(6)[:2])

    with raw_server(script) as url:

        def setup():
            ws = WebSocket(url)
            ws.onopen = lambda event: None

        play(setup)
    # A Close without a status, masked.
    assert closes == [b"\x88\x80"]


def test_what_was_sent_goes_out_before(play):
    received = []

    def script(connection):
        accept_upgrade(connection)
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
            if len(data) == 14 + 300_000 + 6:
                connection.sendall(b"\x88\x00")
                connection.shutdown(socket.SHUT_WR)
        received.append(len(data))

    with raw_server(script) as url:

        def setup():
            ws = WebSocket(url)
            ws.onopen = lambda event: event.target.send(b"x" * 300_000)

        play(setup)
    assert received == [14 + 300_000 + 6]


@pytest.mark.parametrize("kind", ["message", "error", "close"])
def test_while_open_these_listeners_keep_it(play, kind):
    gone, over = [], []

    def greet(ws):
        ws.onmessage = lambda event: ws.close(4000)

    with running_server(greet) as server:
        url = f"ws://127.0.0.1:{server.port}"

        def setup():
            ws = WebSocket(url)
            ws.addEventListener(kind, lambda event: None)
            ws.onopen = lambda event: (gc.collect(), event.target.send("x"))
            gone.append(weakref.ref(ws, lambda ref: over.append(threading.get_ident())))

        play(setup)
    gc.collect()
    assert gone[0]() is None and len(over) == 1


def test_the_end_of_the_object_gives_a_handshake_up():
    heads = []

    def script(connection):
        heads.append(read_head(connection)[:3])
        wait_for_end(connection)
        heads.append("end")

    with raw_server(script) as url, tightwire.Loop() as loop:
        ws = WebSocket(url, loop=loop)
        while not heads:
            loop.call_later(0.001, loop.stop)
            loop.run()
        assert ws.readyState == ws.CONNECTING
        del ws
        loop.run()
    assert heads == ["GET", "end"]


def test_a_socket_that_nobody_drove_warns(url):
    with pytest.warns(RuntimeWarning, match="before anybody drove it"):
        WebSocket(url)
    gc.collect()


def test_a_warning_that_is_an_error_is_reported(url):
    program = "import sys, tightwire; tightwire.WebSocket(sys.argv[1])"
    command = [sys.executable, "-W", "error", "-c", program, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0 and "RuntimeWarning: a WebSocket was thrown away" in done.stderr


def test_it_may_go_while_an_exception_is_on_its_way(url):
    loop = tightwire.Loop()
    loop.run()

    def fail():
        ws = WebSocket(url, loop=loop)
        assert ws.readyState == ws.CONNECTING
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    loop.run()
    loop.close()


def test_any_thread_may_drop_the_last_reference(server):
    codes, url = [], f"ws://127.0.0.1:{server.port}"
    opened, closed = threading.Event(), threading.Event()
    with tightwire.Loop() as loop:
        loop.start_thread()
        kept = []

        def make():
            ws = WebSocket(url)
            ws.onopen = lambda event: opened.set()
            kept.append(ws)

        loop.call(make)
        assert opened.wait(SECONDS)
        for accepted in server.connections:
            accepted.addEventListener("close", lambda event: (codes.append(event.code), closed.set()))
        kept.clear()
        assert closed.wait(SECONDS)
    assert codes == [1005]


def test_finalisation_with_sockets_everywhere(server):
    program = """
        import sys, threading, tightwire
        class Cycle:
            pass
        for n in range(20):
            ws = tightwire.WebSocket(sys.argv[1])
            ws.onmessage = print
            cycle = Cycle()
            cycle.ws, cycle.me = ws, cycle
            ws.onclose = lambda event, cycle=cycle: None
        loop = tightwire.Loop()
        loop.start_thread()
        made = loop.call(tightwire.WebSocket, sys.argv[1])
        class Late:
            def __del__(self):
                ws.close()
                made.close()
        sys.late = Late()
    """
    command = [sys.executable, "-X", "dev", "-W", "ignore", "-c", textwrap.dedent(program)]
    url = f"ws://127.0.0.1:{server.port}"
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.seconds(180)
def test_memory_of_open_sockets_and_of_those_that_came_and_went():
    bench = Path(__file__).resolve().parents[2] / "tests" / "bench" / "python_memory.py"
    # Development mode puts marks around each block of memory.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    done = subprocess.run([sys.executable, bench, "2000", "20000"], capture_output=True, text=True, env=plain)
    assert done.returncode == 0, done.stdout + done.stderr
