"""Sockets that are paused before they are open."""

import threading

import pytest
from conftest import SECONDS, accept_upgrade, raw_server, wait_for_end

from tightwire import Loop, WebSocket


def hello(connection):
    # In one segment with the answer.
    accept_upgrade(connection, b"\x81\x05hello")
    wait_for_end(connection)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_pause_while_connecting_holds_from_the_beginning(elsewhere):
    seen = []
    with raw_server(hello) as url, Loop() as loop:
        ws = WebSocket(url, loop=loop)
        ws.onmessage = lambda event: (seen.append(event.data), ws.abort())
        ws.onopen = lambda event: loop.stop()
        if elsewhere:
            thread = threading.Thread(target=ws.pause)
            thread.start()
            thread.join(SECONDS)
        else:
            ws.pause()
        loop.run()
        # Turns in which the message would come.
        for _ in range(100):
            loop.dispatch()
        assert ws.readyState == ws.OPEN and not seen
        ws.resume()
        loop.run()
    assert seen == ["hello"]


def test_who_resumes_before_it_is_open_is_not_paused():
    seen = []
    with raw_server(hello) as url:
        ws = WebSocket(url)
        ws.onmessage = lambda event: (seen.append(event.data), ws.abort())
        ws.pause()
        ws.resume()
        ws.run()
    assert seen == ["hello"]
