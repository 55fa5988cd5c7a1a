"""`tightwire.Loop`: driven by `run`, by a thread of its own, and by hand."""

import selectors
import signal
import sys
import threading
import time
import weakref

import pytest
from conftest import SECONDS, running_server

import tightwire
from tightwire import Loop, WebSocket


def converse(url, loop, log):
    ws = log.watch(WebSocket(url, loop=loop))
    ws.onopen = lambda event: ws.send("hello")
    ws.onmessage = lambda event: ws.close(1000)
    return ws


WHOLE = [("open", 1), ("message", 1, "hello"), ("close", 3, 1000, "", True)]


def test_run(url, log):
    with Loop() as loop:
        converse(url, loop, log)
        loop.run()
        assert loop.idle and not loop.running
    assert log == WHOLE


def test_a_loop_that_spins_before_it_sleeps(url, log):
    over = threading.Event()

    def begin():
        converse(url, loop, log).addEventListener("close", lambda event: over.set())

    with Loop(spin=3600) as loop:
        # The clock of that thread stands still while it sleeps.
        clock = time.pthread_getcpuclockid(loop.start_thread().ident)
        before, end = time.clock_gettime(clock), time.monotonic() + SECONDS
        while time.clock_gettime(clock) - before < 0.02:
            assert time.monotonic() < end
        loop.call(begin)
        assert over.wait(SECONDS)
    assert log == WHOLE
    with Loop(spin=3600) as loop:
        server = tightwire.serve(lambda ws: None, loop=loop)
        interrupt = threading.Thread(target=signal.raise_signal, args=[signal.SIGINT])
        loop.call_soon_threadsafe(interrupt.start)
        with pytest.raises(KeyboardInterrupt):
            loop.run()
        interrupt.join()
        server.close()
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="spin: a positive number of seconds expected"):
            Loop(spin=wrong)


def test_another_loop_watches_its_descriptor(url, log):
    with Loop() as loop, selectors.DefaultSelector() as selector:
        selector.register(loop.fileno(), selectors.EVENT_READ)
        ws = converse(url, loop, log)
        while ws.readyState != ws.CLOSED:
            assert selector.select(SECONDS)
            loop.dispatch()
    assert log == WHOLE


def test_its_descriptor_may_be_asked_for_in_a_handler(url):
    with Loop() as loop:
        fd, seen = loop.fileno(), []
        ws = WebSocket(url, loop=loop)
        ws.onopen = lambda event: (seen.append(loop.fileno()), ws.close())
        loop.run()
        assert seen == [fd]
    with pytest.raises(RuntimeError, match="closed"):
        loop.fileno()


def test_a_thread_of_its_own(url, log):
    over, threads = threading.Event(), set()
    with Loop() as loop:
        thread = loop.start_thread(name="sockets")
        assert thread.name == "sockets" and thread.daemon and loop.running

        def make():
            ws = converse(url, None, log)
            for kind in ("open", "message", "close"):
                ws.addEventListener(kind, lambda event: threads.add(threading.current_thread()))
            ws.addEventListener("close", lambda event: over.set())

        loop.call(make)
        assert over.wait(SECONDS)
        with pytest.raises(RuntimeError, match="driven already"):
            loop.start_thread()
    assert not thread.is_alive() and threads == {thread} and log == WHOLE


def test_call_returns_and_raises():
    with Loop() as loop:
        assert loop.call(divmod, 7, 2) == (3, 1)
        loop.start_thread()
        assert loop.call(threading.current_thread) is not threading.current_thread()
        assert loop.call(lambda: loop.call(divmod, 7, 2)) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            loop.call(lambda: 1 // 0)


def test_a_call_ends_if_the_loop_is_stopped_meanwhile(monkeypatch):
    with Loop() as loop:
        loop.start_thread()
        entered, go = threading.Event(), threading.Event()
        post = loop.call_soon_threadsafe
        post(lambda: (loop.stop(), entered.set(), go.wait(SECONDS)))
        assert entered.wait(SECONDS)
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda job: (post(job), go.set()))
        with pytest.raises(RuntimeError, match="stopped meanwhile"):
            loop.call(print)


def test_call_soon_and_later_keep_their_order():
    with Loop() as loop:
        seen = []
        loop.call_later(0.002, lambda: (seen.append("later"), loop.stop()))
        loop.call_later(0, seen.append, "now")
        cancelled = loop.call_later(0.001, seen.append, "cancelled")
        cancelled.cancel()
        cancelled.cancel()
        loop.call_soon_threadsafe(seen.append, "soon")
        loop._run_until_stopped()
        assert seen == ["soon", "now", "later"]
        with pytest.raises(ValueError, match="seconds"):
            loop.call_later(-1, print)


def test_timers_do_not_keep_run_from_returning():
    with Loop() as loop:
        loop.call_later(1000, print)
        loop.run()


def test_what_a_callback_raises_is_told():
    told = []
    with Loop() as loop:
        loop.exception_handler = told.append
        assert loop.exception_handler == told.append
        loop.call_soon_threadsafe(lambda: 1 // 0)
        loop.call_soon_threadsafe(loop.stop)
        loop._run_until_stopped()
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]


def test_what_a_handler_raises_is_told(url):
    told = []
    with Loop() as loop:
        loop.exception_handler = told.append
        ws = WebSocket(url, loop=loop)

        def opened(event):
            ws.close()
            raise KeyError("x")

        ws.onopen = opened
        loop.run()
    (context,) = told
    assert (type(context["exception"]), context["websocket"], context["handler"]) == (KeyError, ws, opened)


def test_an_exception_handler_that_raises_changes_nothing(url, monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: reported.append(type(info.exc_value)))
    with Loop() as loop:
        loop.exception_handler = lambda context: [].pop()
        ws = WebSocket(url, loop=loop)
        ws.onopen = lambda event: (ws.close(), 1 // 0)
        loop.run()
    assert reported == [ZeroDivisionError, IndexError]


def test_stop_leaves_run_and_it_goes_on_later(url, log):
    with Loop() as loop:
        ws = converse(url, loop, log)
        ws.addEventListener("open", lambda event: loop.stop())
        loop.run()
        assert log.kinds == ["open"]
        loop.run()
    assert log == WHOLE


def test_a_nested_dispatch_does_nothing(url, log):
    with Loop() as loop:
        ws = converse(url, loop, log)
        ws.addEventListener("open", lambda event: loop.dispatch())
        loop.run()
    assert log == WHOLE


def test_a_handler_cannot_close_its_loop(url):
    raised = []
    with Loop() as loop:
        ws = WebSocket(url, loop=loop)

        def opened(event):
            with pytest.raises(RuntimeError, match="at work") as caught:
                loop.close()
            raised.append(caught)
            ws.close()

        ws.onopen = opened
        loop.run()
    assert raised


def test_close_says_goodbye():
    codes = []

    def greet(ws):
        ws.onclose = lambda event: codes.append(event.code)

    with running_server(greet) as server:
        url = f"ws://127.0.0.1:{server.port}"
        opened = threading.Event()
        with Loop() as loop:
            loop.start_thread()

            def make():
                ws = WebSocket(url)
                ws.onopen = lambda event: opened.set()
                ws.onmessage = print

            loop.call(make)
            assert opened.wait(SECONDS)
        loop.close()
    assert codes == [1001]
    with pytest.raises(RuntimeError, match="closed"):
        WebSocket(url, loop=loop)
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon_threadsafe(print)


def test_sockets_are_made_where_the_loop_runs(url):
    with Loop() as loop:
        loop.start_thread()
        with pytest.raises(RuntimeError, match=r"Loop\.call"):
            WebSocket(url, loop=loop)


def test_a_server_on_a_loop(log):
    with Loop() as loop, running_server() as other:
        server = tightwire.serve(lambda ws: ws.close(4001), loop=loop)
        loop.start_thread()
        ws = log.watch(WebSocket(f"ws://127.0.0.1:{server.port}"))
        ws.run()
        assert log[-1] == ("close", 3, 4001, "", True) and other.port != server.port


def test_a_loop_without_references_goes(url):
    loop = Loop()
    ws = WebSocket(url, loop=loop)
    ws.onopen = print
    gone = weakref.ref(loop)
    del loop
    assert gone() is None and ws.readyState == ws.CLOSED


def test_what_is_no_loop_is_refused(url):
    with pytest.raises(TypeError, match="loop: a Loop or an asyncio event loop expected, not str"):
        WebSocket(url, loop="x")
