"""`Loop.fileno()` and `Loop.dispatch()` in the event loops of other libraries: GLib's, which is GTK's, and Tcl's, which is tk's.

Both without a display and without bindings: GLib is called by ctypes. Qt's is driven by the library's C++ examples.
"""

import ctypes
import ctypes.util

import pytest
from conftest import SECONDS, unavailable

import tightwire
from tightwire import Loop, WebSocket

G_IO_IN = 1
G_SOURCE_CONTINUE = 1


class GLib:
    """GLib's main loop, with a watched descriptor and timers."""

    def __init__(self):
        try:
            self.library = ctypes.CDLL("libglib-2.0.so.0")
        except OSError:
            unavailable("GLib is missing: sudo apt-get install libglib2.0-0")
        self.library.g_main_loop_new.restype = ctypes.c_void_p
        self.library.g_main_loop_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
        for name in ("g_main_loop_run", "g_main_loop_quit", "g_main_loop_unref"):
            getattr(self.library, name).argtypes = [ctypes.c_void_p]
        self.watched = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
        self.timed = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
        self.library.g_unix_fd_add.argtypes = [ctypes.c_int, ctypes.c_uint, self.watched, ctypes.c_void_p]
        self.library.g_timeout_add.argtypes = [ctypes.c_uint, self.timed, ctypes.c_void_p]
        self.kept, self.sources = [], []
        self.main = self.library.g_main_loop_new(None, 0)

    def watch(self, fd, callback):
        self.kept.append(self.watched(lambda fd, condition, data: callback() or G_SOURCE_CONTINUE))
        self.sources.append(self.library.g_unix_fd_add(fd, G_IO_IN, self.kept[-1], None))

    def every(self, milliseconds, callback):
        self.kept.append(self.timed(lambda data: callback() or G_SOURCE_CONTINUE))
        self.sources.append(self.library.g_timeout_add(milliseconds, self.kept[-1], None))

    def run(self):
        # The signal of a test that hangs would not get through to here.
        self.every(SECONDS * 1000, self.quit)
        self.library.g_main_loop_run(self.main)
        for source in self.sources:
            self.library.g_source_remove(source)
        self.library.g_main_loop_unref(self.main)

    def quit(self):
        self.library.g_main_loop_quit(self.main)


class Tcl:
    """Tcl's loop, by tkinter, whose windows alone need a display."""

    def __init__(self):
        try:
            import tkinter
        except ImportError:
            unavailable("tkinter is missing: sudo apt-get install python3-tk")
        self.readable = tkinter.READABLE
        self.tcl = tkinter.Tcl()
        self.over, self.watched = False, []

    def watch(self, fd, callback):
        self.watched.append(fd)
        self.tcl.tk.createfilehandler(fd, self.readable, lambda fd, mask: callback())

    def every(self, milliseconds, callback):
        def again():
            callback()
            self.tcl.after(milliseconds, again)

        self.tcl.after(milliseconds, again)

    def run(self):
        while not self.over:
            self.tcl.dooneevent()
        for fd in self.watched:
            self.tcl.tk.deletefilehandler(fd)

    def quit(self):
        self.over = True


@pytest.fixture(params=[GLib, Tcl])
def foreign_loop(request):
    return request.param()


def test_a_conversation(foreign_loop, url, log):
    with Loop() as loop:
        foreign_loop.watch(loop.fileno(), loop.dispatch)
        ws = log.watch(WebSocket(url, loop=loop))
        ws.onopen = lambda event: ws.send("hello")
        ws.onmessage = lambda event: ws.close(1000)
        ws.onclose = lambda event: foreign_loop.quit()
        foreign_loop.run()
    assert log == [("open", 1), ("message", 1, "hello"), ("close", 3, 1000, "", True)]


def test_a_server_and_many_clients_beside_timers_of_the_host(foreign_loop):
    """Sends from outside of handlers, and deadlines of ours with nobody sending."""
    ticks, received, closed = [], [], []
    with Loop() as loop:
        foreign_loop.watch(loop.fileno(), loop.dispatch)
        server = tightwire.serve(lambda ws: ws.addEventListener("message", lambda event: ws.send(event.data)), loop=loop)
        sockets = [WebSocket(f"ws://127.0.0.1:{server.port}", loop=loop) for _ in range(20)]

        def over(event):
            closed.append(event.code)
            if len(closed) == len(sockets):
                foreign_loop.quit()

        def message(event):
            received.append(event.data)
            if event.data == "9":
                # By a timer of ours.
                loop.call_later(0.01, event.target.close, 3000)

        def tick():
            ticks.append(len(ticks))
            if ticks[-1] < 10 and all(ws.readyState == ws.OPEN for ws in sockets):
                for ws in sockets:
                    ws.send(str(ticks[-1]))
            elif ticks[-1] < 10:
                ticks.pop()

        for ws in sockets:
            ws.onmessage, ws.onclose = message, over
        foreign_loop.every(1, tick)
        foreign_loop.run()
        server.close()
        loop.run()
    assert closed == [3000] * 20
    assert sorted(received) == sorted(str(number) for number in range(10) for _ in sockets)


def test_nothing_to_do_costs_no_turns(foreign_loop, url):
    """A descriptor that stays readable would have the host spin."""
    turns = []
    with Loop() as loop:
        foreign_loop.watch(loop.fileno(), lambda: (turns.append(1), loop.dispatch())[1])
        ws = WebSocket(url, loop=loop, heartbeat=None)
        ws.onopen = lambda event: loop.call_later(0.2, foreign_loop.quit)
        foreign_loop.run()
        ws.close()
        loop.run()
    assert len(turns) < 20
