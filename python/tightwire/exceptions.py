"""Everything that goes wrong, by cause.

Each exception of a connection has a `phase` and a stable numeric `code`, and derives from the
builtin that fits, so that ``except OSError`` or ``except TimeoutError`` keep working.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

try:
    from ssl import SSLError as _SSLError
except ImportError:  # a Python without OpenSSL; ours is rustls
    _SSLError = OSError  # type: ignore[assignment,misc]

__all__ = [
    "BufferFull",
    "ConnectError",
    "ConnectionClosedError",
    "DNSError",
    "DOMException",
    "HeartbeatTimeout",
    "InvalidAccessError",
    "InvalidArgument",
    "InvalidHandshake",
    "InvalidStateError",
    "InvalidStatus",
    "InvalidUTF8",
    "ListenError",
    "OpenTimeout",
    "PayloadTooBig",
    "ProtocolError",
    "Response",
    "SyntaxError",
    "TLSError",
    "WebSocketError",
]


@dataclass(frozen=True)
class Response:
    """The HTTP response of a server that did not open a WebSocket."""

    status: int
    """The status code, for example 403."""
    reason: str
    """The reason phrase; may be empty."""
    headers: list[tuple[str, str]]
    """The header fields, in order."""
    body: bytes
    """What came of the body, cut at 64 KiB."""


class WebSocketError(Exception):
    """The base of all exceptions of this package."""

    phase: str = "app"
    """Where it arose: argument, dns, tcp, tls, upgrade, protocol, heartbeat, close, app or system."""
    code: int = 0
    """A stable number for the kind of error, the same as in the C header; 0 if there is none."""


class DOMException(WebSocketError):
    """A wrong call, as the WHATWG standard defines it. Its `code` is the one of the DOM."""

    phase = "argument"

    @property
    def name(self) -> str:
        """The name that the standard gives it: that of the class."""
        return type(self).__name__


class InvalidStateError(DOMException, RuntimeError):
    """Not legal in this state of the socket, for example `send` before `open`."""

    code = 11


class SyntaxError(DOMException, ValueError):  # noqa: A001 - the standard's name
    """A URL, a subprotocol or a close reason that is not well formed. Not the builtin."""

    code = 12


class InvalidAccessError(DOMException, ValueError):
    """A close code that the application must not send."""

    code = 15


class InvalidArgument(WebSocketError, ValueError):
    """Another argument that is not legal, for example a header with a line break."""

    phase = "argument"
    code = 1


class BufferFull(WebSocketError):
    """A send found more than `limit` bytes queued; the socket was closed, as the standard says."""

    code = 4

    def __init__(self, buffered: int, limit: int) -> None:
        super().__init__(buffered, limit)
        self.buffered = buffered
        """Payload bytes that were queued."""
        self.limit = limit
        """`Limits.max_send_buffer`."""

    def __str__(self) -> str:
        return (
            f"app: {self.buffered} bytes are queued and the limit is {self.limit}"
            " (option: limits=Limits(max_send_buffer=...))"
        )


class ListenError(WebSocketError, OSError):
    """A server could not listen on its address."""


class ConnectError(WebSocketError, ConnectionError):
    """The connection could not be made. `errno` is set where the system gave one."""


class DNSError(ConnectError, socket.gaierror):
    """The name of the host could not be resolved."""


class TLSError(ConnectError, _SSLError):
    """TLS failed, or the certificate of the server was refused. The text says why."""

    # `ssl.SSLError` shows its `strerror`, which nobody sets here.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class OpenTimeout(ConnectError, TimeoutError):
    """The connection was not open within `timeout`; `phase` tells how far it came."""


class InvalidHandshake(WebSocketError):
    """The server's answer does not open a WebSocket."""


class InvalidStatus(InvalidHandshake):
    """The server answered with an ordinary HTTP response."""

    response: Response
    """That response."""


class ConnectionClosedError(WebSocketError, ConnectionError):
    """An open connection ended without a closing handshake."""


class HeartbeatTimeout(ConnectionClosedError, TimeoutError):
    """The peer did not answer a ping, or took no data for too long."""


class ProtocolError(WebSocketError):
    """The peer broke the protocol."""


class PayloadTooBig(ProtocolError):
    """The peer sent a message over `Limits.max_message`."""


class InvalidUTF8(ProtocolError):
    """The peer sent text that is not UTF-8."""


_BY_CODE: dict[int, type[WebSocketError]] = {
    1: InvalidArgument,
    20: DNSError,
    21: ConnectError,
    22: ConnectError,
    23: TLSError,
    24: TLSError,
    25: InvalidHandshake,
    26: ProtocolError,
    27: InvalidUTF8,
}
_BEFORE_OPEN = frozenset(("dns", "tcp", "proxy", "tls", "upgrade"))


def _class_for(code: int, phase: str, opened: bool, refused: bool) -> type[WebSocketError]:
    if refused:
        return InvalidStatus
    if phase == "system":
        return ListenError if code == 21 else WebSocketError
    if code == 7:
        return PayloadTooBig if phase == "protocol" else InvalidHandshake
    if code == 12 and phase == "heartbeat":
        return HeartbeatTimeout
    if code == 12 and phase in _BEFORE_OPEN:
        return OpenTimeout
    if code in (11, 12, 13, 28):
        return ConnectionClosedError if opened else ConnectError
    return _BY_CODE.get(code, WebSocketError)


def _from_core(
    code: int,
    phase: str,
    text: str,
    errno: int | None,
    response: tuple[int, str, list[tuple[str, str]], bytes] | None,
    opened: bool,
) -> WebSocketError:
    """The exception for an error of the core. `opened`: of a connection that was open before."""
    error = _class_for(code, phase, opened, response is not None)(text)
    error.phase = phase
    error.code = code
    if errno is not None and isinstance(error, OSError):
        error.errno = errno
    if response is not None and isinstance(error, InvalidStatus):
        error.response = Response(*response)
    return error
