"""How a browser's WebSocket opens: handlers that are late, the request, answers in pieces, giving up on the way."""

import base64
import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
import trustme
from conftest import (
    SECONDS, accept_upgrade, echo, raw_server, read_head, running_server, wait_for_end,
)

import tightwire
from tightwire import WebSocket

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "browser"))

import diag  # noqa: E402


def test_handlers_set_long_after_the_answer_came_miss_nothing(play, url, log):
    """A handler of another socket keeps the loop busy, until the answer lies in the system's buffer."""
    asked, go, answered = threading.Event(), threading.Event(), threading.Event()

    def script(connection):
        read = read_head(connection)
        asked.set()
        assert go.wait(SECONDS)
        connection.sendall(answer_to(read) + b"\x81\x05early")
        answered.set()
        wait_for_end(connection)

    with raw_server(script) as slow:

        def setup():
            ws, busy = WebSocket(slow), WebSocket(url)

            def turn(event):
                if not asked.is_set():
                    return busy.send("another turn")
                go.set()
                assert answered.wait(SECONDS) and ws.readyState == ws.CONNECTING
                log.watch(ws)
                ws.onmessage = lambda event: ws.abort()
                busy.onmessage = None
                busy.close()

            busy.onopen = busy.onmessage = turn

        play(setup)
    assert log.kinds == ["open", "message", "error", "close"]


def request_to(url, **options):
    """The request line and the fields that a client of that URL sends, whatever host that is of."""
    heads = []
    with raw_server(lambda connection: heads.append(read_head(connection))) as raw:
        address = "127.0.0.1", int(raw.rpartition(":")[2].strip("/"))
        with socket.create_connection(address) as sock:
            ws = WebSocket(url, sock=sock, **options)
        ws.run()
    line, *fields = heads[0].rstrip().split("\r\n")
    return line, {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ws://example.com/", "example.com"),
        ("ws://example.com:80/", "example.com"),
        ("ws://example.com:443/", "example.com:443"),
        ("ws://example.com:8080/", "example.com:8080"),
        ("ws://user:word@EXAMPLE.com:81/", "example.com:81"),
        ("ws://[::1]/", "[::1]"),
        ("ws://[::1]:8080/", "[::1]:8080"),
        ("ws://[2001:DB8:0:0::1]:81/", "[2001:db8::1]:81"),
        ("ws://127.1/", "127.0.0.1"),
    ],
)
def test_the_host_is_named_with_its_port_unless_that_is_the_schemes(url, host):
    line, fields = request_to(url)
    assert (line, fields["host"]) == ("GET / HTTP/1.1", host)


def test_path_and_query_are_asked_for():
    assert request_to("ws://example.com/chat/../room?a=b c")[0] == "GET /room?a=b%20c HTTP/1.1"


def test_the_request_has_the_fields_of_an_upgrade():
    fields = request_to("ws://example.com/", protocols=["chat", "superchat"], compression=False)[1]
    key = fields.pop("sec-websocket-key")
    assert len(base64.b64decode(key, validate=True)) == 16
    assert fields == {
        "host": "example.com", "upgrade": "websocket", "connection": "Upgrade",
        "sec-websocket-version": "13", "sec-websocket-protocol": "chat, superchat",
    }  # fmt: skip


def test_there_is_no_origin_unless_one_is_given():
    assert "origin" not in request_to("ws://example.com/")[1]
    assert request_to("ws://example.com/", origin="https://a.example")[1]["origin"] == "https://a.example"


def test_every_handshake_has_a_key_of_its_own(play):
    keys, count = [], 300
    listener = socket.create_server(("127.0.0.1", 0), backlog=count)

    def serve():
        for _ in range(count):
            connection, _ = listener.accept()
            with connection:
                keys.append(request_fields(read_head(connection))["sec-websocket-key"])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def setup():
        url = "ws://127.0.0.1:{}/".format(listener.getsockname()[1])
        return [WebSocket(url) for _ in range(count)]

    play(setup)
    thread.join(SECONDS)
    listener.close()
    assert len(set(keys)) == len(keys) == count
    assert {len(base64.b64decode(key, validate=True)) for key in keys} == {16}


def test_our_server_sends_nothing_of_the_drafts(server):
    request = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(request.encode())
        head = read_head(peer)
    fields = request_fields(head)
    assert head.startswith("HTTP/1.1 101 ") and fields["sec-websocket-accept"] == "HSmrc0sMlYUkAGmm5OPpG2HaGWk="
    assert not {"sec-websocket-origin", "sec-websocket-location"} & set(fields)


def request_fields(head):
    lines = (line.partition(":") for line in head.split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in lines}


def answer_to(head):
    """The 101 that `accept_upgrade` would give."""
    taken = []

    class Connection:
        def recv(self, size):
            return head.encode()

        sendall = taken.append

    accept_upgrade(Connection())
    return taken[0]


FRAMES = b"\x81\x03one\x82\x02\x01\x02\x88\x06\x0b\xb8done"


def test_the_answer_and_frames_may_be_cut_anywhere(play):
    """One connection for each place."""
    logs, size = [], len(answer_to("GET / HTTP/1.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n") + FRAMES)
    listener = socket.create_server(("127.0.0.1", 0), backlog=size)

    def serve():
        for cut in range(1, size):
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                data = answer_to(read_head(connection)) + FRAMES
                assert len(data) == size
                connection.sendall(data[:cut])
                while diag.unread(connection):
                    time.sleep(0.0002)
                connection.sendall(data[cut:])
                wait_for_answer(connection)

    def wait_for_answer(connection):
        """Our Close, and the end after it."""
        while b"\x88\x86" not in connection.recv(100):
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def setup():
        for _ in range(1, size):
            seen = []
            ws = WebSocket("ws://127.0.0.1:{}/".format(listener.getsockname()[1]), binary="bytes")
            ws.onopen = lambda event, seen=seen: seen.append("open")
            ws.onmessage = lambda event, seen=seen: seen.append(event.data)
            ws.onclose = lambda event, seen=seen: seen.append((event.code, event.reason, event.wasClean))
            logs.append(seen)

    play(setup)
    thread.join(SECONDS)
    listener.close()
    assert logs == [["open", "one", b"\1\2", (3000, "done", True)]] * (size - 1)


@contextlib.contextmanager
def looking_up():
    """Nobody has an answer yet: the loop has not turned."""
    yield "ws://localhost:9/", lambda: None


@contextlib.contextmanager
def no_room():
    """A listener that has no room for one more: the system drops what would connect."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        address = listener.getsockname()
        stack.enter_context(socket.create_connection(address))
        yield f"ws://127.0.0.1:{address[1]}/", lambda: until_connecting(address[1])


def until_connecting(port):
    """Until this machine has a socket that waits for an answer from there (`SYN_SENT`, 02)."""
    wanted = f"0100007F:{port:04X}", "02"
    while not any(tuple(line.split()[2:4]) == wanted for line in Path("/proc/net/tcp").read_text().splitlines()):
        time.sleep(0.001)


@contextlib.contextmanager
def silence(scheme):
    """A server that takes what it is sent, and says nothing."""
    asked = threading.Event()

    def script(connection):
        connection.recv(1)
        asked.set()
        wait_for_end(connection)

    with raw_server(script) as url:
        yield url.replace("ws:", f"{scheme}:"), lambda: asked.wait(SECONDS)


STAGES = {
    "looking the name up": looking_up,
    "connecting": no_room,
    "shaking hands for TLS": lambda: silence("wss"),
    "asking for the upgrade": lambda: silence("ws"),
}


@pytest.mark.parametrize("stage", list(STAGES))
def test_close_gives_up_in_every_stage_of_opening(play, log, stage):
    with STAGES[stage]() as (url, reached):

        def setup():
            ws = log.watch(WebSocket(url))

            def give_up():
                reached()
                ws.close()
                assert ws.readyState in (ws.CLOSING, ws.CLOSED)

            if stage == "looking the name up":
                give_up()
            else:
                threading.Thread(target=give_up, daemon=True).start()
            return ws

        ws = play(setup)
    assert log == [("error", 3), ("close", 3, 1006, "", False)]
    assert ws.error is not None and ws.bufferedAmount == 0


def test_the_first_example_of_all_over_tls(play):
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    identity = tightwire.TLS(
        cert=b"".join(pem.bytes() for pem in leaf.cert_chain_pems), key=leaf.private_key_pem.bytes()
    )
    trace = []
    with running_server(echo, host="localhost", tls=identity) as server:

        def setup():
            ws = WebSocket(f"wss://localhost:{server.port}", tls=tightwire.TLS(ca=authority.cert_pem.bytes()))

            def onopen(event):
                trace.append("Connection open ...")
                ws.send("Hello WebSockets!")

            def onmessage(event):
                trace.append("Received Message: " + event.data)
                ws.close()

            def onclose(event):
                trace.append(("Connection closed.", event.code, event.wasClean))

            ws.onopen, ws.onmessage, ws.onclose = onopen, onmessage, onclose

        play(setup)
    assert trace == [
        "Connection open ...", "Received Message: Hello WebSockets!", ("Connection closed.", 1005, True),
    ]  # fmt: skip
