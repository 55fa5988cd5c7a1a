"""Who drives a socket: run() and other threads; and what handlers may do meanwhile."""

import gc
import os
import signal
import threading
import weakref

import pytest
from conftest import SECONDS, echo, raw_server, timers, wait_for_end
from programs import run_program

import tightwire
from tightwire import WebSocket, _loops


def test_run_with_nothing_to_do():
    assert tightwire.run() is None


def test_ws_run_returns_the_close_event(url):
    ws = WebSocket(url)
    ws.onopen = lambda event: ws.close(4000, "x")
    event = ws.run()
    assert (event.code, event.reason, event.wasClean) == (4000, "x", True)
    assert ws.run() is event


def test_ws_run_leaves_the_others_open(url):
    other, ws = WebSocket(url), WebSocket(url)
    ws.onopen = lambda event: ws.close()
    ws.run()
    assert other.readyState in (0, 1)
    other.close()
    tightwire.run()
    assert other.readyState == 3


def test_the_loop_goes_when_nothing_is_left(play, url):
    before = timers()
    for _ in range(3):
        def setup():
            ws = WebSocket(url)
            ws.onopen = lambda event: ws.close()

        play(setup)
    assert timers() <= before and not hasattr(_loops._own, "loop") and not _loops._hosts


def test_an_exception_in_a_handler_is_reported(url, unraisable):
    seen = []
    ws = WebSocket(url)

    def boom(event):
        raise ZeroDivisionError(event.type)

    for kind in ("open", "message", "close"):
        ws.addEventListener(kind, boom)
        ws.addEventListener(kind, lambda event: seen.append(event.type))
    ws.addEventListener("open", lambda event: ws.send("x"))
    ws.addEventListener("message", lambda event: ws.close())
    tightwire.run()
    assert seen == ["open", "message", "close"]
    assert [str(error) for error in unraisable] == seen


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_leaves_run(url, error):
    ws = WebSocket(url)

    def stop(event):
        raise error

    ws.onopen = stop
    with pytest.raises(error):
        tightwire.run()
    assert ws.readyState == 1
    ws.close()
    tightwire.run()
    assert ws.readyState == 3


def test_ctrl_c_leaves_run(url):
    ws = WebSocket(url)
    ws.onopen = lambda event: threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        tightwire.run()
    ws.close()
    tightwire.run()


def test_a_signal_handler_may_use_sockets(url):
    ws = WebSocket(url)
    old = signal.signal(signal.SIGUSR1, lambda signum, frame: ws.close(3000, "signal"))
    try:
        ws.onopen = lambda event: threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert ws.run().reason == "signal"
    finally:
        signal.signal(signal.SIGUSR1, old)


def test_run_in_a_handler_is_refused(play, url):
    errors = []

    def setup():
        ws = WebSocket(url)

        def opened(event):
            for run in (tightwire.run, ws.run):
                with pytest.raises(RuntimeError) as caught:
                    run()
                errors.append(caught.value)
            ws.close()

        ws.onopen = opened

    play(setup)
    assert len(errors) == 2


def test_handlers_may_do_anything(play, url):
    closed = []

    def setup():
        first = WebSocket(url)

        def opened(event):
            first.onopen = None
            gc.collect()
            second = WebSocket(url)
            with pytest.raises(tightwire.InvalidStateError):
                second.send("early")
            server = tightwire.serve(echo)
            third = WebSocket(f"ws://127.0.0.1:{server.port}")

            def over(event):
                closed.append(event.code)
                if len(closed) == 3:
                    server.close()

            first.onclose = second.onclose = third.onclose = over
            second.onopen = lambda event: (first.send("x"), second.close(3002), second.close(3003))
            third.onopen = lambda event: third.send("y")
            third.onmessage = lambda event: third.close(3003)

        first.onopen = opened
        first.onmessage = lambda event: first.close(3001)

    play(setup)
    assert sorted(closed) == [3001, 3002, 3003]


def test_reconnect_in_onclose(play, url):
    count = []

    def connect():
        ws = WebSocket(url)
        ws.onopen = lambda event: ws.close()
        ws.onclose = lambda event: (count.append(1), len(count) < 5 and connect())

    play(connect)
    assert len(count) == 5


def test_sends_from_threads(play, url):
    received = []
    threads, each = 8, 200

    def setup():
        ws = WebSocket(url)

        def work(name):
            for number in range(each):
                ws.send(f"{name}:{number}")

        def opened(event):
            for name in range(threads):
                threading.Thread(target=work, args=(name,)).start()

        def message(event):
            received.append(event.data)
            if len(received) == threads * each:
                threading.Thread(target=ws.close, args=(3000, "thread")).start()

        ws.onopen, ws.onmessage = opened, message
        return ws

    ws = play(setup)
    for name in range(threads):
        own = [int(data.split(":")[1]) for data in received if data.startswith(f"{name}:")]
        assert own == list(range(each))
    assert ws.readyState == 3 and ws.bufferedAmount == 0


def test_close_from_a_thread_while_connecting(play, log):
    with raw_server(wait_for_end) as url:

        def setup():
            ws = log.watch(WebSocket(url))
            threading.Timer(0.01, ws.close).start()

        play(setup)
    assert log == [("error", 3), ("close", 3, 1006, "", False)]


class Owner:
    pass


def test_cycles_are_collected(play, url):
    def setup():
        ws, owner = WebSocket(url), Owner()
        owner.ws = ws
        ws.onopen = lambda event: (owner, ws.close())
        ws.onclose = lambda event: owner
        return weakref.ref(owner)

    owner = play(setup)
    gc.collect()
    assert owner() is None


def test_an_open_socket_lives_without_references(play, url):
    got = []

    def setup():
        ws = WebSocket(url)
        ws.onopen = lambda event: event.target.send("still here")
        ws.onmessage = lambda event: (got.append(event.data), event.target.close())
        del ws
        gc.collect()

    play(setup)
    assert got == ["still here"]


def test_a_closed_socket_is_freed_at_once(play, url):
    def setup():
        ws = WebSocket(url)
        ws.onopen = lambda event: event.target.close()
        return weakref.ref(ws)

    ref = play(setup)
    gc.collect()
    assert ref() is None


def test_a_socket_that_was_never_driven_warns_at_exit(url):
    done = run_program("import sys, tightwire; tightwire.WebSocket(sys.argv[1])", url, strict=False)
    assert done.returncode == 0 and "never driven" in done.stderr


def test_threads_have_loops_of_their_own(url):
    codes = []

    def work():
        ws = WebSocket(url)
        ws.onopen = lambda event: ws.close(3000)
        codes.append(ws.run().code)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert codes == [3000] * 4


def test_run_lets_other_threads_run(url):
    """The interpreter lock is free while the loop waits."""
    ws = WebSocket(url)
    count = 0

    def work():
        nonlocal count
        for _ in range(100_000):
            count += 1
        ws.close()

    ws.onopen = lambda event: threading.Thread(target=work).start()
    tightwire.run()
    assert count == 100_000


def test_a_socket_of_another_thread_cannot_be_run(server, url):
    ws = WebSocket(url)
    errors = []

    def work():
        try:
            ws.run()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(errors) == 1
    ws.close()
    tightwire.run()
