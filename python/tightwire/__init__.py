"""WebSocket client and server (RFC 6455): the browser's class, on any loop.

Inside a running asyncio loop a socket is driven by that loop; elsewhere by `run`:

    import tightwire

    ws = tightwire.WebSocket("wss://echo.example/")
    ws.onopen = lambda event: ws.send("hello")
    ws.onmessage = lambda event: (print(event.data), ws.close(1000, "bye"))
    tightwire.run()

`send`, `close` and every attribute may be used from any thread and in any handler; handlers run on
the thread that drives the loop, never inside a call of yours, and never inside one another.
"""

from . import exceptions
from ._native import (
    TLS,
    CloseEvent,
    ErrorEvent,
    Event,
    MessageEvent,
    Server,
    WebSocket,
    __version__,
    serve,
)
from ._loops import run
from ._options import Deflate, Heartbeat, Limits, Proxy, Stats
from .exceptions import (
    BufferFull,
    ConnectError,
    ConnectionClosedError,
    DNSError,
    DOMException,
    HeartbeatTimeout,
    InvalidAccessError,
    InvalidArgument,
    InvalidHandshake,
    InvalidStateError,
    InvalidStatus,
    InvalidUTF8,
    ListenError,
    OpenTimeout,
    PayloadTooBig,
    ProtocolError,
    SyntaxError,
    TLSError,
    WebSocketError,
)

__all__ = [
    "BufferFull",
    "CloseEvent",
    "ConnectError",
    "ConnectionClosedError",
    "DNSError",
    "DOMException",
    "Deflate",
    "ErrorEvent",
    "Event",
    "Heartbeat",
    "HeartbeatTimeout",
    "InvalidAccessError",
    "InvalidArgument",
    "InvalidHandshake",
    "InvalidStateError",
    "InvalidStatus",
    "InvalidUTF8",
    "Limits",
    "ListenError",
    "MessageEvent",
    "OpenTimeout",
    "PayloadTooBig",
    "ProtocolError",
    "Proxy",
    "Server",
    "Stats",
    "SyntaxError",
    "TLS",
    "TLSError",
    "WebSocket",
    "WebSocketError",
    "__version__",
    "exceptions",
    "run",
    "serve",
]
