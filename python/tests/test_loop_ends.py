"""How a loop comes to its end, and what is called in it meanwhile."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from conftest import SECONDS, accept_upgrade, raw_server, running_server, wait_for_end

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


def run_python(code, *arguments):
    # Later versions warn of every fork in a program with threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)


def test_a_blocked_daemon_thread_does_not_hold_up_the_exit():
    done = run_python(
        """
        import threading, tightwire
        loop, blocked = tightwire.Loop(), threading.Event()
        loop.start_thread()
        loop.call_soon_threadsafe(lambda: (blocked.set(), threading.Event().wait()))
        blocked.wait()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("how", ["own", "thread"])
def test_what_one_loop_raises_at_the_exit_does_not_concern_the_others(how):
    codes = []

    def greet(ws):
        ws.onclose = lambda event: codes.append(event.code)

    with running_server(greet) as server:
        done = run_python(
            """
            import sys, threading, tightwire

            def opened(loop):
                ws = tightwire.WebSocket(sys.argv[1], loop=loop)
                ws.onopen = lambda event: loop.stop()
                loop.run()
                return ws

            class Broken(tightwire.Loop):
                def close(self, grace=1.0):
                    super().close(grace)
                    raise ZeroDivisionError("at the exit")

            loops = [Broken(), Broken(), tightwire.Loop()]
            sockets = [opened(loop) for loop in loops]
            if sys.argv[2] == "own":
                def close(event):
                    sys.exit("from a handler")
                ws = tightwire.WebSocket(sys.argv[1])
                ws.onopen = lambda event: tightwire._loops._own.loop.stop()
                ws.onclose = close
                tightwire.run()
            """,
            f"ws://127.0.0.1:{server.port}",
            how,
        )
    assert done.stderr.count("ZeroDivisionError: at the exit") == 2
    assert ("from a handler" in done.stderr) == (how == "own")
    assert set(codes) == {1001} and len(codes) == (4 if how == "own" else 3)


FORKS = """
import os, sys, tightwire

def drive():
    ws = tightwire.WebSocket(sys.argv[1])
    ws.onopen = lambda event: opened.release()
    return ws

import threading
opened = threading.Semaphore(0)
with tightwire.Loop() as loop:
    loop.start_thread()
    ws = loop.call(drive)
    opened.acquire()
    child = os.fork()
    if child == 0:
        assert not loop.running and ws.readyState == ws.CLOSED
        if sys.argv[2] == "exit":
            sys.exit(7)
    else:
        assert ws.readyState == ws.OPEN
        _, status = os.waitpid(child, 0)
if child == 0:
    sys.exit(7)
print(os.waitstatus_to_exitcode(status), ws.close_event.code, ws.close_event.wasClean)
"""


@pytest.mark.parametrize("how", ["exit", "leave"])
def test_a_forked_child_has_no_loop_to_end(url, how):
    done = run_python(FORKS, url, how)
    assert (done.stdout, done.stderr) == ("7 1001 True\n", "")


def test_a_stop_is_good_for_one_run(url):
    with Loop() as loop:
        ws = WebSocket(url, loop=loop)
        ws.onopen = lambda event: ws.close()
        ws.onclose = lambda event: loop.stop()
        loop.run()
        ws = WebSocket(url, loop=loop)
        ws.onopen = lambda event: ws.close(4000)
        loop.run()
        assert ws.close_event.code == 4000
        loop.stop()
        ws = WebSocket(url, loop=loop)
        loop.run()
        assert ws.readyState == ws.CONNECTING


def test_the_error_on_another_thread_says_where_to_make_a_socket(url):
    errors = []

    def make():
        with pytest.raises(RuntimeError) as caught:
            WebSocket(url, loop=loop)
        errors.append(str(caught.value))

    with Loop() as loop:
        loop.dispatch()
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        loop.start_thread()
        make()
    assert ["call_soon_threadsafe" in error for error in errors] == [True, False]
    assert "Loop.call" in errors[1]
