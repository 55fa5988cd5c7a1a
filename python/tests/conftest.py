"""What the tests share: both ways to drive a socket, and peers that are not ours."""

import asyncio
import base64
import contextlib
import gc
import hashlib
import os
import selectors
import signal
import socket
import sys
import threading

import pytest
import trio
import uvloop
import websockets.sync.server
from hosts import HOSTS, Trio

import tightwire
from tightwire import _loops, _trio

SECONDS = 20


def pytest_collection_finish(session):
    """What the tests collect need not be looked for among what Python and pytest keep anyway."""
    gc.freeze()


def unavailable(reason):
    """Skips a test for what this machine lacks; in CI, where everything has to be there, fails."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def deadline(request):
    """Ends a test that hangs: the signal also leaves `run()`. `@pytest.mark.seconds(n)` allows more time."""
    marker = request.node.get_closest_marker("seconds")
    seconds = marker.args[0] if marker is not None else SECONDS

    def late(signum, frame):
        raise TimeoutError(f"test took more than {seconds} s")

    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)
    # A test that failed must not leave sockets to the next one.
    loop = getattr(_loops._own, "loop", None)
    if loop is not None:
        loop._abandon()
        del _loops._own.loop


def play_own(setup):
    """Calls `setup`, and drives until nothing is left."""
    result = setup()
    tightwire.run()
    return result


def when_released(host, act):
    """Has `act` called when nothing is left in what drives the sockets of a host. False if there is nothing."""
    hosted = _loops.hosted_by(host)
    if hosted is None:
        return False
    before = hosted.released

    def released():
        act()
        if before is not None:
            before()

    hosted.released = released
    return True


async def in_asyncio(setup):
    result = setup()
    idle = asyncio.Event()
    if when_released(asyncio.get_running_loop(), idle.set):
        await asyncio.wait_for(idle.wait(), SECONDS)
    return result


async def in_trio(setup):
    result = setup()
    idle = trio.Event()
    if when_released(_trio.running(), idle.set):
        with trio.fail_after(SECONDS):
            await idle.wait()
    return result


def play_asyncio(setup):
    """The same in asyncio."""
    return asyncio.run(in_asyncio(setup))


def play_uvloop(setup):
    """The same in asyncio with another event loop."""
    return uvloop.run(in_asyncio(setup))


def play_trio(setup):
    """The same in trio."""
    return trio.run(in_trio, setup)


def play_thread(setup):
    """The same on a thread that a loop starts for itself."""
    idle = threading.Event()
    with tightwire.Loop() as loop:
        loop.start_thread()
        result = loop.call(setup)

        def look():
            if loop.idle:
                idle.set()

        # Asks again until the last socket is gone: a loop that goes on tells nobody.
        while not idle.wait(0.002):
            loop.call(look)
    return result


def play_selectors(setup):
    """The same in a loop of the application's own, which watches a descriptor."""
    with tightwire.Loop() as loop, selectors.DefaultSelector() as selector:
        selector.register(loop.fileno(), selectors.EVENT_READ)
        _loops.use(loop)
        try:
            result = setup()
            while not loop.idle:
                selector.select()
                loop.dispatch()
        finally:
            del _loops._own.loop
    return result


PLAYS = {
    "own": play_own,
    "asyncio": play_asyncio,
    "uvloop": play_uvloop,
    "trio": play_trio,
    "thread": play_thread,
    "selectors": play_selectors,
}


@pytest.fixture(params=PLAYS.values(), ids=PLAYS)
def play(request):
    return request.param


@pytest.fixture
def unraisable(monkeypatch):
    """What `sys.unraisablehook` was told."""
    errors = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: errors.append(info.exc_value))
    return errors


@pytest.fixture(params=HOSTS.values(), ids=HOSTS)
def host(request, unraisable):
    """An event loop with a `run` of its own. What handlers raise is in `reported`."""
    host = request.param()
    if isinstance(host, Trio):
        host.reported = unraisable
    yield host
    # Where the host is told, nobody else is.
    assert host.reported is unraisable or not unraisable


class Log(list):
    """Records the events of a socket, with its readyState in each."""

    def watch(self, ws):
        for kind in ("open", "message", "error", "close"):
            ws.addEventListener(kind, self.note)
        return ws

    def note(self, event):
        detail = ()
        if event.type == "message":
            detail = (event.data,)
        elif event.type == "close":
            detail = (event.code, event.reason, event.wasClean)
        self.append((event.type, event.target.readyState, *detail))

    @property
    def kinds(self):
        return [entry[0] for entry in self]


@pytest.fixture
def log():
    return Log()


def echo(ws):
    """The handler of an echo server."""
    ws.onmessage = lambda event: ws.send(event.data)


@contextlib.contextmanager
def running_server(handler=echo, **options):
    """A server of ours on a thread of its own."""
    ready = threading.Event()
    servers = []

    def work():
        servers.append(tightwire.serve(handler, **options))
        ready.set()
        tightwire.run()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(SECONDS)
    try:
        yield servers[0]
    finally:
        servers[0].close()
        thread.join(SECONDS)
        assert not thread.is_alive()


@pytest.fixture
def server():
    with running_server() as server:
        yield server


@pytest.fixture
def url(server):
    return f"ws://127.0.0.1:{server.port}/"


@contextlib.contextmanager
def foreign_server(**options):
    def handler(connection):
        for message in connection:
            connection.send(message)

    server = websockets.sync.server.serve(handler, "127.0.0.1", 0, max_size=None, **options)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    scheme = "wss" if "ssl" in options else "ws"
    yield f"{scheme}://localhost:{server.socket.getsockname()[1]}/"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="session")
def foreign():
    """An echo server of `websockets`; its URL."""
    with foreign_server() as url:
        yield url


@pytest.fixture(scope="session")
def foreign_chat():
    """The same with subprotocols."""
    with foreign_server(subprotocols=["chat.v2", "chat.v1"]) as url:
        yield url


@contextlib.contextmanager
def raw_server(script):
    """A server that accepts one connection and calls `script(socket)` in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(SECONDS)
                script(connection)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        # Ends an `accept` that nobody came to.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(SECONDS)


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    return head.decode()


def accept_upgrade(connection, extra=b""):
    """Reads the request, and answers 101 and `extra` in one segment."""
    head = read_head(connection)
    key = next(
        line.split(":", 1)[1].strip()
        for line in head.split("\r\n")
        if line.lower().startswith("sec-websocket-key")
    )
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    answer = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {answer}\r\n\r\n".encode()
        + extra
    )
    return head


def wait_for_end(connection):
    """Reads until the peer ends the stream."""
    while connection.recv(65536):
        pass


def timers():
    """How many loops there are: each has one timer descriptor."""
    return sum(
        "timerfd" in os.readlink(entry.path)
        for entry in os.scandir("/proc/self/fd")
        if os.path.islink(entry.path)
    )
