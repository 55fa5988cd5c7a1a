"""How a loop comes to its end, and what is called in it meanwhile."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from conftest import SECONDS, accept_upgrade, raw_server, wait_for_end

import tightwire
from tightwire import Loop, WebSocket


def test_call_hands_on_the_timeout_of_what_is_called():
    def late():
        raise TimeoutError("its own")

    with Loop() as loop:
        loop.start_thread()
        with pytest.raises(TimeoutError, match="its own"):
            loop.call(late)
        assert loop.call(int) == 0


def answer_close(connection):
    accept_upgrade(connection)
    connection.recv(100)
    connection.sendall(b"\x88\x02\x03\xe9")
    wait_for_end(connection)


def never_answer(connection):
    accept_upgrade(connection)
    wait_for_end(connection)


def opened(url):
    """A loop, and an open socket that it drives under `run`."""
    loop = Loop()
    ws = WebSocket(url, loop=loop)
    ws.onopen = lambda event: loop.stop()
    loop.run()
    assert ws.readyState == WebSocket.OPEN
    return loop, ws


def test_close_lets_other_threads_answer():
    with raw_server(answer_close) as url:
        loop, ws = opened(url)
        loop.close(grace=SECONDS / 4)
        assert ws.close_event.wasClean and ws.close_event.code == 1001


def test_ctrl_c_ends_close():
    main = threading.get_ident()

    def interrupt(connection):
        accept_upgrade(connection)
        # Its Close, to which there is no answer.
        connection.recv(100)
        signal.pthread_kill(main, signal.SIGINT)
        wait_for_end(connection)

    with raw_server(interrupt) as url:
        loop, ws = opened(url)
        with pytest.raises(KeyboardInterrupt):
            loop.close(grace=SECONDS * 5)
        assert ws.readyState == WebSocket.CLOSED


def test_what_ends_the_program_leaves_close():
    with raw_server(answer_close) as url:
        loop, ws = opened(url)
        ws.onclose = lambda event: sys.exit(3)
        with pytest.raises(SystemExit):
            loop.close()
        assert ws.close_event is not None


def test_close_is_refused_in_a_handler_under_dispatch():
    errors = []

    def opened(event):
        with pytest.raises(RuntimeError, match="at work") as caught:
            loop.close()
        errors.append(caught.value)

    with raw_server(answer_close) as url, Loop() as loop:
        ws = WebSocket(url, loop=loop)
        ws.onopen = opened
        while not errors:
            loop.dispatch()
        assert ws.readyState == WebSocket.OPEN
        loop.close()
        assert ws.close_event.wasClean
