"""Cycles of objects that the collector can end."""

import gc
import socket
import weakref

from conftest import running_server

import tightwire
from tightwire import AbortController, Blob, Loop, WebSocket


class Witness:
    """Something whose end can be seen."""


def test_a_server_whose_loop_is_gone_is_collected(url):
    def make():
        witness, opened = Witness(), []

        def greet(ws):
            # A cycle by way of the server, which knows its sockets.
            ws.onmessage = lambda event: (server, witness)
            opened.append(ws)

        with Loop() as loop:
            server = tightwire.serve(greet, loop=loop)
            ws = WebSocket(f"ws://127.0.0.1:{server.port}", loop=loop)
            while not opened:
                loop.dispatch()
            # Without a word, so that nobody is told that the sockets are closed.
            loop._abandon()
        assert server.connections
        return weakref.ref(witness)

    gone = make()
    gc.collect()
    assert gone() is None


def test_a_server_that_is_driven_keeps_its_sockets():
    seen = []

    def greet(ws):
        ws.onmessage = lambda event: (seen.append(event.data), ws.close())
        loop.stop()

    with Loop() as loop:
        port = tightwire.serve(greet, loop=loop).port
        ws = WebSocket(f"ws://127.0.0.1:{port}", loop=loop)
        ws.onopen = lambda event: None
        loop.run()
        gc.collect()
        while ws.readyState != ws.OPEN:
            loop.dispatch()
        ws.send("still there")
        ws.run()
    assert seen == ["still there"]


def test_a_failure_that_knows_its_socket_is_collected():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop, controller, witness = Loop(), AbortController(), Witness()
        ws = WebSocket(f"ws://127.0.0.1:{listener.getsockname()[1]}", loop=loop, signal=controller.signal)
        reason = ValueError("enough")
        reason.socket, reason.witness = ws, witness
        # Nobody drives the loop any more, so that the socket keeps the reason to itself.
        controller.abort(reason)
        loop._abandon()
    gone = weakref.ref(witness)
    del ws, reason, witness, controller
    gc.collect()
    assert gone() is None


def test_a_socket_lives_no_longer_than_its_listener_for_one_message():
    closed, seen = [], []

    def greet(ws):
        ws.onclose = lambda event: closed.append(event.code)
        ws.send("one")
        ws.send("two")

    with running_server(greet) as server:
        ws = WebSocket(f"ws://127.0.0.1:{server.port}")
        ws.addEventListener("message", lambda event: seen.append(event.data), once=True)
        gone = weakref.ref(ws)
        del ws
        tightwire.run()
        assert gone() is None
    # Nobody could hear of the second one: closed without a status.
    assert seen == ["one"] and closed == [1005]


def test_a_file_on_its_way_keeps_no_socket_that_is_closed(tmp_path, url):
    path = tmp_path / "large"
    path.write_bytes(bytes(8_000_000))
    loop = Loop()
    ws = WebSocket(url, loop=loop)
    ws.onopen = lambda event: (ws.send(Blob.from_file(path)), loop.stop())
    loop.run()
    loop._abandon()
    assert ws.readyState == WebSocket.CLOSED
    gone = weakref.ref(ws)
    # It is asked whether it is needed.
    ws.onopen = None
    del ws
    gc.collect()
    assert gone() is None
