"""WebSocket client and server (RFC 6455): the browser's class, on any loop.

A running loop of asyncio or trio drives the sockets of its thread; elsewhere `run` does, or a `Loop`:

Example:
    ws = tightwire.WebSocket("ws://localhost:9001/")
    ws.onopen = lambda event: ws.send("hello")
    ws.onmessage = lambda event: (print(event.data), ws.close(1000, "bye"))
    tightwire.run()

`send`, `close` and every attribute may be used from any thread and in any handler; handlers run on
the thread that drives the loop, never inside a call of yours, and never inside one another.
"""

from . import exceptions
from ._abort import AbortController, AbortSignal
from ._native import (
    TLS,
    ArrayBuffer,
    Auth,
    Blob,
    CloseEvent,
    ErrorEvent,
    Event,
    EventTarget,
    MessageEvent,
    Server,
    Timer,
    WebSocket,
    __version__,
    serve,
)
from ._loop import Loop
from ._loops import run
from ._options import Deflate, Handshake, Heartbeat, Limits, Proxy, Reconnect, Stats
from ._reconnect import reconnect
from .exceptions import (
    AbortError,
    Attempt,
    BufferFull,
    ConnectError,
    ConnectionClosedError,
    DNSError,
    DOMException,
    DecompressionError,
    HeartbeatTimeout,
    InvalidAccessError,
    InvalidArgument,
    InvalidHandshake,
    InvalidHeader,
    InvalidProxy,
    InvalidStateError,
    InvalidStatus,
    InvalidURI,
    InvalidUTF8,
    InvalidUpgrade,
    ListenError,
    NegotiationError,
    NotReadableError,
    OpenTimeout,
    PayloadTooBig,
    ProtocolError,
    ProxyError,
    ProxyStatus,
    QuotaExceededError,
    SecurityError,
    SyntaxError,
    TLSError,
    TimeoutError,
    TooManyRedirects,
    WebSocketError,
    WrongLoop,
)

__all__ = [
    "AbortController",
    "AbortError",
    "AbortSignal",
    "ArrayBuffer",
    "Attempt",
    "Auth",
    "Blob",
    "BufferFull",
    "CloseEvent",
    "ConnectError",
    "ConnectionClosedError",
    "DNSError",
    "DOMException",
    "DecompressionError",
    "Deflate",
    "ErrorEvent",
    "Event",
    "EventTarget",
    "Handshake",
    "Heartbeat",
    "HeartbeatTimeout",
    "InvalidAccessError",
    "InvalidArgument",
    "InvalidHandshake",
    "InvalidHeader",
    "InvalidProxy",
    "InvalidStateError",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUTF8",
    "InvalidUpgrade",
    "Limits",
    "ListenError",
    "Loop",
    "MessageEvent",
    "NegotiationError",
    "NotReadableError",
    "OpenTimeout",
    "PayloadTooBig",
    "ProtocolError",
    "Proxy",
    "ProxyError",
    "ProxyStatus",
    "QuotaExceededError",
    "Reconnect",
    "SecurityError",
    "Server",
    "Stats",
    "SyntaxError",
    "TLS",
    "TLSError",
    "TimeoutError",
    "Timer",
    "TooManyRedirects",
    "WebSocket",
    "WebSocketError",
    "WrongLoop",
    "__version__",
    "exceptions",
    "reconnect",
    "run",
    "serve",
]
