"""Whatever a handler of any event does: one close event, the last; no message lost, no exception swallowed."""

import asyncio
import gc
import threading
import weakref

import pytest
from conftest import Log, accept_upgrade, raw_server, wait_for_end

import tightwire
from tightwire import WebSocket, _loops

MESSAGES = ["one", "two", "three"]
WHOLE = ["open", "message", "message", "message", "error", "close"]


class Scene:
    """A socket whose life has every event: three messages, and an end without a Close."""

    def __init__(self, kind, act, echo_url):
        self.kind, self.act, self.echo_url = kind, act, echo_url
        self.log, self.sent, self.reported = Log(), bytearray(), []
        self.acted = False
        self.spared = []
        """What a listener heard that was removed before its turn."""
        self.sends = act in (send, thread_that_sends) and kind in ("open", "message")
        """Whether the peer gets a message."""
        self.others = []
        """Close codes of the sockets that `hundred_sockets` made."""

    def script(self, connection):
        frames = b"".join(bytes([0x81, len(text)]) + text.encode() for text in MESSAGES)
        accept_upgrade(connection, frames)
        if self.sends:
            self.sent += connection.recv(65536)
        # In two halves: what we send must not make the system drop what the peer has not read.
        connection.shutdown(1)
        while data := connection.recv(65536):
            self.sent += data

    def setup(self, url):
        self.hear_what_is_reported()
        ws = WebSocket(url, close_timeout=5)
        self.log.watch(ws)
        self.box = [ws]
        self.ref = weakref.ref(ws)
        ws.addEventListener(self.kind, self.on_event)
        ws.addEventListener(self.kind, self.spare)
        # Behind the others, so that they see what becomes of it.
        ws.addEventListener("close", lambda event: self.spared.append("last"))

    def hear_what_is_reported(self):
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        loop.set_exception_handler(lambda loop, context: self.reported.append(context["exception"]))

    def on_event(self, event):
        if not self.acted:
            self.acted = True
            self.act(self, event.target)

    def spare(self, event):
        self.spared.append(event.type)

    @property
    def texts(self):
        return [entry[2] for entry in self.log if entry[0] == "message"]


def close(scene, ws):
    ws.close(3000, "act")


def send(scene, ws):
    ws.send("act")


def abort(scene, ws):
    ws.abort()


def replace_handler(scene, ws):
    def other(event):
        scene.spared.append("other")

    setattr(ws, f"on{scene.kind}", other)
    setattr(ws, f"on{scene.kind}", None)
    setattr(ws, f"on{scene.kind}", other)


def remove_listeners(scene, ws):
    ws.removeEventListener(scene.kind, scene.on_event)
    ws.removeEventListener(scene.kind, scene.spare)


def throw(scene, ws):
    raise ZeroDivisionError(scene.kind)


def collect(scene, ws):
    gc.collect()


def drop(scene, ws):
    scene.box.clear()
    del ws
    gc.collect()


def dispatch(scene, ws):
    _loops.current().dispatch()


def thread_that_sends(scene, ws):
    thread = threading.Thread(target=ws.send, args=("act",))
    thread.start()
    thread.join()


def hundred_sockets(scene, ws):
    for _ in range(100):
        other = WebSocket(scene.echo_url)
        other.onopen = lambda event: event.target.send("x")
        other.onmessage = lambda event: event.target.close(3001)
        other.onclose = lambda event: scene.others.append(event.code)


ACTS = [close, send, abort, replace_handler, remove_listeners, throw, collect, drop, dispatch, thread_that_sends,
        hundred_sockets]  # fmt: skip


@pytest.mark.parametrize("kind", ["open", "message", "error", "close"])
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_a_handler_may_do_anything_at_any_time(play, url, unraisable, kind, act):
    scene = Scene(kind, act, url)
    with raw_server(scene.script) as raw:
        play(lambda: scene.setup(raw))
    assert scene.acted
    check_events(scene)
    check_listeners(scene)
    check_sent(scene)
    assert [str(error) for error in scene.reported + unraisable] == ([kind] if act is throw else [])
    assert scene.others == [3001] * (100 if act is hundred_sockets else 0)
    # A traceback refers to the socket, too.
    for kept in (scene.box, scene.reported, unraisable):
        kept.clear()
    gc.collect()
    assert scene.ref() is None


def check_events(scene):
    """Everything comes, but what `close` and `abort` say is not wanted any more."""
    heard = {"open": 0, "message": 1}.get(scene.kind, 3) if scene.act in (close, abort) else 3
    assert scene.texts == MESSAGES[:heard]
    assert scene.log.kinds == ["open", *["message"] * heard, "error", "close"]
    assert scene.log[-1][1:3] == (3, 1006)


def check_listeners(scene):
    times = scene.log.kinds.count(scene.kind)
    if scene.act is remove_listeners:
        times = 0
    assert scene.spared.count(scene.kind) == times
    # Set while its event is dispatched, a handler hears of it at the next one only.
    later = scene.log.kinds.count(scene.kind) - 1 if scene.act is replace_handler else 0
    assert scene.spared.count("other") == later
    assert scene.spared.count("last") == 1 and scene.spared[-1] == "last"


def check_sent(scene):
    """What was sent while it was open is with the peer, masked; other messages are not."""
    assert scene.sent.startswith(b"\x81\x83") == scene.sends


@pytest.mark.parametrize("kind", ["open", "message", "error", "close"])
def test_a_handler_may_drop_the_socket_and_its_listeners(play, kind):
    """Then nobody can hear of it any more, and it goes without a word."""
    heard, gone, ends = [], [], []

    def script(connection):
        accept_upgrade(connection, b"\x81\x01x\x81\x01y")
        connection.shutdown(1)
        try:
            wait_for_end(connection)
        finally:
            ends.append("end")

    def setup(url):
        ws = WebSocket(url)
        box = [ws]

        def forget(event):
            heard.append(event.type)
            ws = box.pop()
            ws.removeEventListener(kind, forget)

        ws.addEventListener(kind, forget)
        gone.append(weakref.ref(ws))

    with raw_server(script) as url:
        play(lambda: setup(url))
    gc.collect()
    assert heard == [kind] and gone[0]() is None and ends == ["end"]


def test_a_server_may_be_closed_in_any_handler(play):
    codes = []

    def setup():
        def handle(ws):
            ws.onmessage = lambda event: (server.close(), gc.collect())
            ws.onclose = lambda event: codes.append(event.code)

        server = tightwire.serve(handle)
        ws = WebSocket(f"ws://127.0.0.1:{server.port}")
        ws.onopen = lambda event: ws.send("close")
        ws.onclose = lambda event: codes.append(event.code)

    play(setup)
    assert codes == [1001, 1001]
