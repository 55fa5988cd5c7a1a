"""Everything that goes wrong, by cause.

Each exception of a connection has a `phase` and a stable numeric `code`, and derives from the
builtin that fits, so that ``except OSError`` or ``except TimeoutError`` keep working.
"""

from __future__ import annotations

import builtins
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _native
from ._options import Handshake

if TYPE_CHECKING:
    from ssl import SSLError as _SSLError
else:
    try:
        from ssl import SSLError as _SSLError
    except ImportError:  # a Python without OpenSSL; ours is rustls
        _SSLError = OSError

__all__ = [
    "AbortError",
    "Attempt",
    "BufferFull",
    "ConnectError",
    "ConnectionClosedError",
    "DNSError",
    "DOMException",
    "DecompressionError",
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
    "ListenError",
    "NegotiationError",
    "NotReadableError",
    "OpenTimeout",
    "PayloadTooBig",
    "ProtocolError",
    "ProxyError",
    "ProxyStatus",
    "QuotaExceededError",
    "Response",
    "SecurityError",
    "SyntaxError",
    "TLSError",
    "TimeoutError",
    "TooManyRedirects",
    "WebSocketError",
    "WrongLoop",
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


class Attempt(NamedTuple):
    """One address that was tried in vain."""

    address: str
    """The address with its port, or the path of a Unix domain socket."""
    cause: str
    """What the system said."""
    errno: int | None
    """The number behind it, where there is one."""


class WebSocketError(Exception):
    """The base of all exceptions of this package."""

    phase: str = "app"
    """Where it arose: argument, dns, tcp, proxy, tls, upgrade, protocol, heartbeat, close, app or
    system."""
    code: int = 0
    """A stable number for the kind of error, the same as in the C header; 0 if there is none."""
    kind: str = ""
    """What it is as a word that never changes, more precise than `code`: `status`, `wrong_accept`,
    `certificate_expired`, `alert_unknown_ca`, `heartbeat_timeout`, `ended`, and many more; empty if
    there is none."""
    attempts: tuple[Attempt, ...] = ()
    """The addresses that were tried in vain, in that order, if no connection was made."""
    _handshake: Handshake | None = None

    @property
    def handshake(self) -> Handshake | None:
        """The server's answer, if it was one that does not open a WebSocket; else None."""
        return self._handshake


class DOMException(WebSocketError):
    """A wrong call, as the WHATWG standard defines it. Its `code` is the one of the DOM."""

    phase = "argument"

    @property
    def name(self) -> str:
        """The name that the standard gives it: that of the class."""
        return type(self).__name__

    @property
    def message(self) -> str:
        """What is wrong, as `str` gives it."""
        return str(self)


class InvalidStateError(DOMException, RuntimeError):
    """Not legal in this state of the socket, for example `send` before `open`."""

    code = 11


class SyntaxError(DOMException, ValueError):  # noqa: A001 - the standard's name
    """A URL, a subprotocol or a close reason that is not well formed. Not the builtin."""

    code = 12


class InvalidAccessError(DOMException, ValueError):
    """A close code that the application must not send."""

    code = 15


class QuotaExceededError(DOMException):
    """There is a limit to what may be held, and it was passed; see `BufferFull`."""

    code = 22


class AbortError(DOMException):
    """An `AbortSignal` ended what was under way."""

    code = 20


class TimeoutError(DOMException, builtins.TimeoutError):  # noqa: A001 - the standard's name
    """The time of `AbortSignal.timeout` is over. Derives from the builtin of that name."""

    code = 23


class NotReadableError(DOMException, OSError):
    """The file of a `Blob` cannot be read, or changed since the `Blob` was made."""


class InvalidArgument(WebSocketError, ValueError):
    """Another argument that is not legal, for example a header with a line break."""

    phase = "argument"
    code = 1


class InvalidProxy(InvalidArgument):
    """The URL of a proxy that is none, as argument or in the environment."""


class WrongLoop(WebSocketError, RuntimeError):
    """A loop that runs elsewhere, or a socket or server that another thread drives."""


class BufferFull(QuotaExceededError):
    """A send found more than `limit` bytes queued; the socket was closed, as the standard says."""

    phase = "app"
    code = 4

    @property
    def name(self) -> str:
        """`QuotaExceededError`."""
        return QuotaExceededError.__name__

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


class ProxyError(ConnectError):
    """The proxy refused, or could not be reached."""


class ProxyStatus(ProxyError):
    """The proxy answered with an HTTP response other than 2xx."""

    response: Response
    """That response."""


class OpenTimeout(ConnectError, builtins.TimeoutError):
    """The connection was not open within `timeout`; `phase` tells how far it came."""


class InvalidHandshake(WebSocketError):
    """The server's answer does not open a WebSocket."""


class InvalidStatus(InvalidHandshake):
    """The server answered with an ordinary HTTP response."""

    response: Response
    """That response."""


class InvalidUpgrade(InvalidHandshake):
    """The server's 101 does not upgrade to a WebSocket: `Upgrade`, `Connection` or the version of HTTP."""


class InvalidHeader(InvalidHandshake):
    """Another field of the server's 101 is wrong, for example `Sec-WebSocket-Accept`."""


class NegotiationError(InvalidHandshake):
    """The server chose a subprotocol or an extension that was not asked for, or none of them."""


class TooManyRedirects(InvalidStatus):
    """More redirects than `max_redirects`. `response` is the last one."""


class SecurityError(InvalidStatus):
    """A redirect that is never followed: from `wss` to `ws`. `response` is that redirect."""


class InvalidURI(InvalidStatus, ValueError):
    """A redirect to what is no URL of a WebSocket. `response` is that redirect. The constructor's own URL
    raises `SyntaxError`."""


class ConnectionClosedError(WebSocketError, ConnectionError):
    """An open connection ended without a closing handshake."""


class HeartbeatTimeout(ConnectionClosedError, builtins.TimeoutError):
    """The peer did not answer a ping, or took no data for too long."""


class ProtocolError(WebSocketError):
    """The peer broke the protocol."""


class PayloadTooBig(ProtocolError):
    """The peer sent a message over `Limits.max_message`."""

    _size: int | None = None
    _limit: int | None = None

    @property
    def size(self) -> int | None:
        """Bytes of the message, or how many at least if it came in parts; None for a compressed one, of which it
        is not announced."""
        return self._size

    @property
    def limit(self) -> int | None:
        """`Limits.max_message`."""
        return self._limit


class InvalidUTF8(ProtocolError):
    """The peer sent text that is not UTF-8."""


class DecompressionError(ProtocolError):
    """The peer sent a compressed message that cannot be decompressed."""


_BY_KIND: dict[str, type[WebSocketError]] = {
    "ambiguous_protocol": NegotiationError,
    "bad_deflate_answer": NegotiationError,
    "bad_proxy": InvalidProxy,
    "bad_redirect": InvalidURI,
    "http_version": InvalidUpgrade,
    "inflate": DecompressionError,
    "insecure_redirect": SecurityError,
    "malformed_extensions": InvalidHeader,
    "missing_connection": InvalidUpgrade,
    "missing_protocol": NegotiationError,
    "missing_upgrade": InvalidUpgrade,
    "too_many_redirects": TooManyRedirects,
    "unsolicited_extension": NegotiationError,
    "unsolicited_protocol": NegotiationError,
    "wrong_accept": InvalidHeader,
}
_BY_CODE: dict[int, type[WebSocketError]] = {
    1: InvalidArgument,
    20: DNSError,
    21: ConnectError,
    22: ProxyError,
    23: TLSError,
    24: TLSError,
    25: InvalidHandshake,
    26: ProtocolError,
    27: InvalidUTF8,
}
_BEFORE_OPEN = frozenset(("dns", "tcp", "proxy", "tls", "upgrade"))


def _class_for(code: int, phase: str, kind: str, opened: bool, refused: bool) -> type[WebSocketError]:
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    if code == 12 and phase in _BEFORE_OPEN:
        return OpenTimeout
    if phase == "proxy":
        return ProxyStatus if refused else ProxyError
    if refused:
        return InvalidStatus
    if phase == "system":
        return ListenError if code == 21 else WebSocketError
    if code == 7:
        return PayloadTooBig if phase == "protocol" else InvalidHandshake
    if code == 12 and phase == "heartbeat":
        return HeartbeatTimeout
    if code in (11, 12, 13, 28):
        return ConnectionClosedError if opened else ConnectError
    return _BY_CODE.get(code, WebSocketError)


def report_unraisable(error: BaseException, handler: object) -> None:
    """Says what a handler raised, where nobody else can be told, by `sys.unraisablehook`."""
    _native._write_unraisable(error, handler)


def _from_core(
    code: int,
    phase: str,
    kind: str,
    text: str,
    errno: int | None,
    response: tuple[int, str, list[tuple[str, str]], bytes] | None,
    attempts: list[tuple[str, str, int | None]],
    opened: bool,
    size: int | None,
    limit: int | None,
) -> WebSocketError:
    """The exception for an error of the core. `opened`: of a connection that was open before."""
    error = _class_for(code, phase, kind, opened, response is not None)(text)
    error.phase, error.code, error.kind = phase, code, kind
    error.attempts = tuple(Attempt(*attempt) for attempt in attempts)
    if errno is not None:
        if isinstance(error, OSError):
            error.errno = errno
        error.__cause__ = OSError(errno, os.strerror(errno))
    if response is not None and isinstance(error, (InvalidStatus, ProxyStatus)):
        error.response = Response(*response)
        if phase == "upgrade":
            error._handshake = Handshake(error.response.status, None, error.response.headers, "", "")
    if isinstance(error, PayloadTooBig):
        error._size, error._limit = size, limit
    return error
