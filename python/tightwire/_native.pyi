"""The native half of the package: the classes of `tightwire`."""

import asyncio
import builtins
import socket
from http.cookiejar import CookieJar
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from os import PathLike
from ssl import SSLContext
from types import TracebackType
from typing import IO, Any, ClassVar, Final, Literal, TypeAlias, TypeVar, final
from _typeshed import SupportsRead
from typing_extensions import Buffer, Self, disjoint_base

from ._abort import AbortSignal
from ._options import Handshake, Stats
from .exceptions import WebSocketError

__all__ = [
    "ArrayBuffer",
    "Auth",
    "Backoff",
    "BaseLoop",
    "Blob",
    "CloseEvent",
    "ErrorEvent",
    "Event",
    "EventTarget",
    "MessageEvent",
    "Server",
    "TLS",
    "Timer",
    "WebSocket",
    "__version__",
    "_write_unraisable",
    "serve",
]

__version__: Final[str]

_Headers: TypeAlias = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str | Sequence[str]]]
_Pem: TypeAlias = str | PathLike[str] | builtins.bytes
_Compression: TypeAlias = (
    tuple[str, int | None, int, int, int | None, int] | bool | None
)
_Handler = TypeVar("_Handler", bound=Callable[..., object])

@final
class Blob:
    """Bytes that do not change, in memory or in a file (W3C File API).

    Example:
        blob = tightwire.Blob(["grüße", bytes(2)], type="application/x-mixed")
        print(blob.size, bytes(blob.slice(-2)))
        print(asyncio.run(blob.slice(0, 7).text()))

    It has the buffer protocol, so `bytes(blob)`, `str(blob, "utf-8")` or `numpy.frombuffer(blob, "u1")` read it at once;
    one in a file is read by `bytes(blob)` only. Two are equal, also to other objects with bytes, if their bytes
    are. Any thread.

    Args:
        parts: `str`, which become UTF-8, bytes-like objects and blobs, put one behind the other.
        type: A media type.
        endings: `"native"` makes the system's own of the line endings in `str`.
    """

    def __new__(
        cls,
        parts: Iterable[str | Buffer] | None = None,
        *,
        type: str = "",
        endings: Literal["transparent", "native"] = "transparent",
    ) -> Self: ...
    @classmethod
    def from_file(cls, file: str | PathLike[str] | IO[bytes], *, type: str = "") -> Self:
        """The content of a file, or the rest of an open one, which is read when it is needed.

        The file must stay as it is; it may be closed and its name may go.

        Raises:
            OSError: It cannot be opened.
            TypeError: It is no regular file: a socket, a pipe, a device.
        """
    @property
    def size(self) -> int:
        """Bytes in it."""
    @property
    def type(self) -> str:
        """The media type that it was made with, in lower case; may be empty."""
    def slice(self, start: int = 0, end: int | None = None, contentType: str = "") -> Blob:
        """The bytes from `start` to `end`, which count from the end if they are negative. Nothing is copied."""
    async def text(self) -> str:
        """The content, decoded as UTF-8 without its byte order mark; what is no UTF-8 becomes U+FFFD.

        Raises:
            NotReadableError: Its file cannot be read, or changed.
        """
    async def bytes(self) -> builtins.bytes:
        """The content. Raises as `text`."""
    async def arrayBuffer(self) -> ArrayBuffer:
        """The content, copied. Raises as `text`."""
    array_buffer = arrayBuffer
    def stream(self) -> AsyncGenerator[builtins.bytes, None]:
        """The content in pieces of at most 64 KiB, for `async for`. Raises as `text`."""
    @property
    def _in_file(self) -> bool: ...
    def __bytes__(self) -> builtins.bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ArrayBuffer:
    """A fixed number of bytes that may be written through the buffer protocol.

    Example:
        buffer = tightwire.ArrayBuffer(4)
        memoryview(buffer)[0] = 1
        print(bytes(buffer))

    Two are equal, also to other objects with bytes, if their bytes are.

    Args:
        length: How many bytes, which are 0 at first; or a bytes-like object to copy.
    """

    def __new__(cls, length: int | Buffer | None = None, /) -> Self: ...
    @property
    def byteLength(self) -> int:
        """Bytes in it."""
    @property
    def byte_length(self) -> int:
        """Bytes in it."""
    @property
    def maxByteLength(self) -> int:
        """The same."""
    @property
    def max_byte_length(self) -> int:
        """The same."""
    @property
    def resizable(self) -> bool:
        """Always false."""
    @property
    def detached(self) -> bool:
        """Always false."""
    def slice(self, begin: int = 0, end: int | None = None) -> ArrayBuffer:
        """A copy of the bytes from `begin` to `end`, which count from the end if they are negative."""
    @staticmethod
    def isView(value: object) -> bool:
        """Whether `value` is a `memoryview`."""
    is_view = isView
    def __bytes__(self) -> builtins.bytes: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Auth:
    """How a client logs in to a server. Never shown in an error, a log or its `repr`."""

    @staticmethod
    def basic(user: str, password: str) -> Auth:
        """User and password with the first request (RFC 7617). Over `ws:` everyone on the way can read
        them."""
    @staticmethod
    def bearer(token: str) -> Auth:
        """A token with the first request (RFC 6750)."""
    @staticmethod
    def digest(user: str, password: str) -> Auth:
        """A proof of the password, which is not itself sent, for a server that asks for one with 401
        (RFC 7616): a second request follows the first, on a new connection."""

@final
class Backoff:
    """The attempts of one client. Internal; `tightwire.reconnect` has one."""

    def __new__(
        cls, initial: float, max: float, reset_after: float, max_attempts: int | None
    ) -> Self: ...
    def after(self, ws: WebSocket, wanted: bool = False) -> float | None:
        """Seconds to wait after `ws`, which is closed, or None to give up. `wanted`: whatever it was
        closed with, the application wants another."""

@disjoint_base
class EventTarget:
    """Something that events happen to (DOM, "Interface EventTarget"); may be subclassed.

    Example:
        class Clock(tightwire.EventTarget):
            def strike(self):
                self.dispatchEvent(tightwire.Event("strike"))

        clock = Clock()
        clock.addEventListener("strike", lambda event: print(event.type), once=True)
        clock.strike()

    What a listener raises is reported, by asyncio's exception handler or else `sys.unraisablehook`, and the others
    are called all the same.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def addEventListener(
        self,
        type: str,
        callback: Callable[[Any], object] | None,
        options: bool | Mapping[str, Any] | None = None,
        *,
        once: bool = False,
        capture: bool = False,
        passive: bool = False,
        signal: AbortSignal | None = None,
    ) -> None:
        """Has `callback` called for events of `type`, after those registered before. Any thread.

        One that is registered already, with the same `capture`, stays as it is; None does nothing.

        Args:
            options: A bool means `capture`; a dict may have any of the following.
            once: Remove it when it is called.
            capture: Call it before those without.
            passive: `preventDefault` does nothing in it.
            signal: Remove it when this is aborted.
        """
    def removeEventListener(
        self,
        type: str,
        callback: Callable[[Any], object] | None,
        options: bool | Mapping[str, Any] | None = None,
        *,
        capture: bool = False,
    ) -> None:
        """Takes back `addEventListener` with the same type, callback and `capture`. Any thread."""
    def dispatchEvent(self, event: Event) -> bool:
        """Calls the listeners for `event` now; whether none of them prevented its default.

        Raises:
            InvalidStateError: It is being dispatched already.
        """
    add_event_listener = addEventListener
    remove_event_listener = removeEventListener
    dispatch_event = dispatchEvent
    def on(self, type: str, /) -> Callable[[_Handler], _Handler]:
        """Registers a function for events of `type`: `@ws.on("message")`."""
    def _attribute(self, type: str) -> Callable[[Event], object] | None: ...
    def _set_attribute(self, type: str, value: object) -> None: ...
    def _hears(self, type: str) -> bool: ...
    def _run_algorithms(self) -> None: ...
    def _fire(self, type: str) -> bool: ...

@disjoint_base
class Event:
    """Something that happened to a target; the base of the other events.

    Args:
        type: The name that listeners are registered for.
        bubbles: Of no effect here.
        cancelable: Whether `preventDefault` makes `dispatchEvent` return false.
    """

    NONE: Final = 0
    CAPTURING_PHASE: Final = 1
    AT_TARGET: Final = 2
    BUBBLING_PHASE: Final = 3

    def __new__(cls, type: str, *, bubbles: bool = False, cancelable: bool = False) -> Self: ...
    @property
    def type(self) -> str:
        """`open`, `message`, `error`, `close`, or a name of your own."""
    @property
    def target(self) -> Any:
        """What it was dispatched on, for the library's events the `WebSocket`; None before."""
    @property
    def currentTarget(self) -> Any:
        """The same, while it is dispatched; else None."""
    @property
    def current_target(self) -> Any:
        """The same, while it is dispatched; else None."""
    @property
    def eventPhase(self) -> int:
        """AT_TARGET while it is dispatched, else NONE."""
    @property
    def event_phase(self) -> int:
        """AT_TARGET while it is dispatched, else NONE."""
    @property
    def bubbles(self) -> bool:
        """As it was made; of no effect here."""
    @property
    def cancelable(self) -> bool:
        """As it was made."""
    @property
    def defaultPrevented(self) -> bool:
        """Whether `preventDefault` was called on a cancelable event."""
    @property
    def default_prevented(self) -> bool:
        """Whether `preventDefault` was called on a cancelable event."""
    @property
    def isTrusted(self) -> bool:
        """Whether the library fired it."""
    @property
    def is_trusted(self) -> bool:
        """Whether the library fired it."""
    @property
    def timeStamp(self) -> float:
        """When it was made, in milliseconds of the clock that `time.monotonic` reads."""
    @property
    def time_stamp(self) -> float:
        """When it was made, in milliseconds of the clock that `time.monotonic` reads."""
    @property
    def composed(self) -> bool:
        """Always false."""
    def composedPath(self) -> list[Any]:
        """The target while it is dispatched, as the only element."""
    composed_path = composedPath
    def preventDefault(self) -> None:
        """Makes `dispatchEvent` return false, if the event is cancelable."""
    prevent_default = preventDefault
    def stopImmediatePropagation(self) -> None:
        """Keeps the listeners that have not been called yet from being called."""
    stop_immediate_propagation = stopImmediatePropagation
    def stopPropagation(self) -> None:
        """In a listener with `capture`: keeps those without from being called."""
    stop_propagation = stopPropagation

@disjoint_base
class MessageEvent(Event):
    """A message came in."""

    __match_args__: ClassVar[tuple[str, ...]] = ("data",)
    def __new__(
        cls,
        type: str,
        *,
        data: Any = None,
        origin: str | None = None,
        lastEventId: str | None = None,
        source: Any = None,
        ports: Iterable[Any] | None = None,
    ) -> Self: ...
    @property
    def data(self) -> Any:
        """`str` for a text message; for a binary one a `Blob` or `ArrayBuffer`, as `binaryType` says at
        that moment, or what the keyword `binary` asked for."""
    @property
    def origin(self) -> str:
        """Scheme, host and port of the socket's URL."""
    @property
    def lastEventId(self) -> str:
        """As it was made; empty for a socket's message."""
    @property
    def last_event_id(self) -> str:
        """As it was made; empty for a socket's message."""
    @property
    def source(self) -> Any:
        """As it was made; None for a socket's message."""
    @property
    def ports(self) -> tuple[Any, ...]:
        """As it was made; empty for a socket's message."""

@disjoint_base
class CloseEvent(Event):
    """The connection is over; always the last event of a socket."""

    __match_args__: ClassVar[tuple[str, ...]] = ("code", "reason", "wasClean")
    def __new__(
        cls,
        type: str,
        *,
        wasClean: bool = False,
        code: int = 0,
        reason: str | None = None,
        error: WebSocketError | None = None,
    ) -> Self: ...
    @property
    def code(self) -> int:
        """The peer's close code; 1005 if it gave none, 1006 if there was no closing handshake."""
    @property
    def reason(self) -> str:
        """The peer's reason; may be empty."""
    @property
    def wasClean(self) -> bool:
        """Whether the closing handshake was completed."""
    @property
    def was_clean(self) -> bool:
        """Whether the closing handshake was completed."""
    @property
    def error(self) -> WebSocketError | None:
        """Why the connection failed; None if it did not."""

@disjoint_base
class ErrorEvent(Event):
    """The connection failed; a `CloseEvent` follows at once."""

    __match_args__: ClassVar[tuple[str, ...]] = ("error",)
    def __new__(
        cls, type: str, *, message: str | None = None, error: WebSocketError | None = None
    ) -> Self: ...
    @property
    def message(self) -> str:
        """The text of `error`: `phase: cause`."""
    @property
    def error(self) -> WebSocketError | None:
        """The exception that says why."""

@final
class TLS:
    """Whom to trust and who we are, for `wss://`. Files are read now and not watched.

    Args:
        ca: The only certificates to trust: a path, or bytes in PEM. None: what the system trusts.
        system_cas: True trusts what the system trusts besides `ca`.
        cert: Our certificate and what leads to its root: a path, or bytes in PEM. A server needs one;
            a client shows it to servers that ask for one.
        key: Its private key; None if it is in `cert`.
        verify: False takes any certificate from anybody, with a `UserWarning` unless there are `pins`.
        server_name: The name to expect in the server's certificate instead of the URL's.
        pins: Public keys, `sha256//` and base64 as curl writes them. One of them has to be in the
            server's chain of certificates, besides all other verification: its own, or that of an
            authority that vouches for it and that the server sends or `ca` has. With `verify=False`
            only the server's own key counts, and nothing else is asked of it.
        min_version: `"1.3"` refuses TLS 1.2.
        resumption: False shakes hands from the beginning each time.
        keylog: A file that the secrets of every connection are appended to, for Wireshark; whoever
            reads it can decrypt what was recorded. True: the one that `SSLKEYLOGFILE` names, if it is
            set; without this it is not looked at.
        more_certs: More certificates of a server, pairs like `cert` and `key`. A client is shown the one
            with the name that it asks for, the very name rather than a wildcard, else `cert`.
        client_ca: Lets only clients in that show a certificate which one of these vouches for.
        client_cert_required: False lets clients in that show none, too.

    Raises:
        TLSError: No certificate or key in what was given, they do not belong together, or `keylog`
            cannot be written.
        OSError: A file cannot be read.
        ValueError: What was given does not fit together; the text names it.
    """

    def __new__(
        cls,
        *,
        ca: _Pem | None = None,
        system_cas: bool = False,
        cert: _Pem | None = None,
        key: _Pem | None = None,
        verify: bool = True,
        server_name: str | None = None,
        pins: str | Iterable[str] | None = None,
        min_version: Literal["1.2", "1.3"] = "1.2",
        resumption: bool = True,
        keylog: str | PathLike[str] | bool | None = None,
        more_certs: Iterable[tuple[_Pem, _Pem | None]] | None = None,
        client_ca: _Pem | None = None,
        client_cert_required: bool = True,
    ) -> Self: ...
    @property
    def server_name(self) -> str | None:
        """As it was given."""

@disjoint_base
class WebSocket(EventTarget):
    """A WebSocket, as in a browser (WHATWG), and a little more.

    Example:
        ws = tightwire.WebSocket("ws://localhost:9001/")
        ws.onopen = lambda event: ws.send("hello")
        ws.onmessage = lambda event: (print(event.data), ws.close(1000))
        tightwire.run()

    In a program with asyncio or trio, whose loop then drives it:

    Example:
        async def main():
            ws = await tightwire.WebSocket("ws://localhost:9001/")
            ws.onmessage = lambda event: (print(event.data), ws.close(1000))
            ws.send("hello")
            await ws.closed()

        asyncio.run(main())

    The running loop of asyncio (uvloop, too) or trio in this thread drives it; or the `Loop` that is given;
    without either, `tightwire.run()` or `run()` does. All methods and attributes may be used from any thread
    and in any handler. Handlers run on the thread that drives the loop, never within a call. What one raises is
    reported (by asyncio's exception handler, by that of the `Loop`, else by `sys.unraisablehook`) and changes
    nothing. On asyncio and trio a handler may be `async def`: those of one socket then run one after the
    other, as tasks, and while more than `Limits.pending_handlers` of them are unfinished nothing is read.

    The object lives while a listener may still be called, even without a reference. An open one without listeners is
    closed, without a status, when the last reference goes. What is open at the end of `asyncio.run` or `trio.run` is
    closed with 1001, and so is, when the program ends, what anything else drives: `run`, a `Loop`, a daemon thread, an
    asyncio loop that was stopped. Only `os._exit`, a signal, and an asyncio loop that is closed without
    `shutdown_asyncgens()` leave no time for it.

    `KeyboardInterrupt` and `SystemExit` of a handler end what runs the loop; in trio the main task raises them. In a
    forked child the sockets of its parent are CLOSED, without events; it may make new ones, beside a trio run on
    another thread. Copies of the descriptors of a loop that was at work, in a handler or on a thread, stay open in the
    child until it ends or calls `exec`.

    Args:
        url: `ws:` or `wss:`; `http:` and `https:` mean the same; or `ws+unix:/path/of/socket:/resource`. No
            fragment.
        base: What `url` may be relative to, as it is in a page of that URL.
        protocols: The subprotocols to ask for. The server must choose one of them.
        headers: More header fields for the request.
        origin: The `Origin` to send; none by default.
        auth: `Auth`, or user and password for `Auth.basic`. A header `Authorization` comes before it, and
            both before user and password in the URL.
        cookies: A `http.cookiejar.CookieJar`, which also keeps what the server sets, or a mapping.
        max_redirects: Redirects to follow, all within `timeout`; 0: one is an error. Never from `wss` to
            `ws`. To another scheme, host or port go neither `auth` nor cookies nor the header
            `Authorization`.
        tls: Trust and keys for `wss:`; an `ssl.SSLContext` has OpenSSL do it, with all of its settings and
            no others. None and True: what the system trusts. False: none, so that `wss:` is a ValueError.
        timeout: Seconds until the connection must be open. None: no limit.
        close_timeout: Seconds that the peer has to answer our Close. None: no limit.
        linger: Seconds that the peer has to end the stream after that. None: no limit.
        write_timeout: Seconds for which the peer may take no data at all. None: no limit.
        heartbeat: Seconds of silence before a ping, and seconds to wait for an answer. None: no pings.
        idle_timeout: Seconds without a message in either direction, after which the connection is closed with 1001
            (RFC 6455 section 7.4.1). None: no limit.
        limits: What the peer may make us hold.
        compression: `Deflate(...)` to offer compression in a mode of your choice, False to offer none.
            None offers what suits most clients.
        proxy: The URL of a proxy or `Proxy(...)`; False for none. None and True: the one that the
            environment names, as for curl (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`).
        local_address: The IP address and port (0 for any) that the connection comes from.
        sock: A connected stream socket to use instead of connecting. It is duplicated: close it
            whenever you like, and do not read or write it meanwhile.
        block_bad_ports: Has connections to ports of other protocols, such as 25, fail as browsers do.
        serialize_connects: Connects to one host one after the other, as browsers do: waits while another
            socket of the same loop, also with this option, is on its way to the same host and port of a URL,
            until that one has opened or failed. `timeout` goes on only while it is this one's turn.
        binary: What `event.data` of a binary message is: `"mirror"` does as `binaryType` says, `"bytes"` and
            `"memoryview"` are the plain ones, until `binaryType` is set.
        strict_events: No `error` event if the peer goes without a Close, or never answers ours: the standard has
            none there. `error` on the socket and on the `close` event are set all the same.
        signal: Aborting it ends the opening handshake, with its reason as the error; later it does nothing.
        loop: A `tightwire.Loop`, or the asyncio loop to use: the running one, or one that this thread
            will run.

    Raises:
        SyntaxError: (`tightwire.SyntaxError`) The URL or a subprotocol is not well formed.
        TypeError, ValueError: Another argument is not legal; the text names it.
        InvalidProxy: (a `ValueError`) `proxy`, or what the environment names, is no URL of a proxy.
        WrongLoop: (a `RuntimeError`) `loop` runs elsewhere.
        RuntimeError: `loop` cannot watch descriptors.

    Whatever else goes wrong comes as `error` and `close` events.
    """

    CONNECTING: Final = 0
    OPEN: Final = 1
    CLOSING: Final = 2
    CLOSED: Final = 3

    onopen: Callable[[Event], object] | None
    """Called when the connection is open. Anything that is not callable becomes None."""
    onmessage: Callable[[MessageEvent], object] | None
    """Called for each message, while `readyState` is OPEN."""
    onerror: Callable[[ErrorEvent], object] | None
    """Called once, just before `onclose`, if the connection failed."""
    onclose: Callable[[CloseEvent], object] | None
    """Called once, last."""
    binaryType: Literal["blob", "arraybuffer"]
    """What binary messages come as from now on: `Blob`, or `ArrayBuffer`. Other values are ignored."""
    binary_type: Literal["blob", "arraybuffer"]
    """What binary messages come as from now on: `Blob`, or `ArrayBuffer`. Other values are ignored."""

    def __init__(
        self,
        url: str,
        protocols: str | Iterable[str] | None = None,
        *,
        base: str | None = None,
        headers: _Headers | None = None,
        origin: str | None = None,
        auth: Auth | tuple[str, str] | None = None,
        cookies: CookieJar | Mapping[str, str] | None = None,
        max_redirects: int = 0,
        tls: TLS | SSLContext | bool | None = None,
        timeout: float | None = 10.0,
        close_timeout: float | None = 5.0,
        linger: float | None = 2.0,
        write_timeout: float | None = 30.0,
        heartbeat: tuple[float, float] | None = ...,
        idle_timeout: float | None = None,
        limits: tuple[int, int, int, int, int] | None = None,
        compression: _Compression = None,
        proxy: str | tuple[str, TLS | SSLContext | None] | bool | None = None,
        local_address: tuple[str, int] | None = None,
        sock: socket.socket | None = None,
        block_bad_ports: bool = False,
        serialize_connects: bool = False,
        binary: Literal["mirror", "bytes", "memoryview"] = "mirror",
        strict_events: bool = False,
        signal: AbortSignal | None = None,
        loop: BaseLoop | asyncio.AbstractEventLoop | None = None,
    ) -> None: ...
    @property
    def url(self) -> str:
        """The URL as browsers write it; for a server's socket the one that the client asked for."""
    @property
    def protocol(self) -> str:
        """The subprotocol that the server chose; empty before the connection is open."""
    @property
    def extensions(self) -> str:
        """The extensions in use; empty before the connection is open."""
    @property
    def stats(self) -> Stats:
        """Messages and bytes so far, both ways, and what compression came to. Stays after the connection
        is over.
        """
    @property
    def handshake(self) -> Handshake | None:
        """What was answered in the opening handshake, on a server's socket what was asked; None before the
        connection is open. If it never opens, `error.handshake` has the answer, if there was one.
        """
    @property
    def latency(self) -> float | None:
        """Seconds that the last ping took that was answered, the heartbeat's or one of `ping`; None
        before there was one."""
    @property
    def readyState(self) -> int:
        """CONNECTING, OPEN, CLOSING or CLOSED."""
    @property
    def ready_state(self) -> int:
        """CONNECTING, OPEN, CLOSING or CLOSED."""
    @property
    def bufferedAmount(self) -> int:
        """Payload bytes that were sent and not yet given to the system. Does not shrink while a
        handler runs, and is not reset by closing."""
    @property
    def buffered_amount(self) -> int:
        """Payload bytes that were sent and not yet given to the system. Does not shrink while a
        handler runs, and is not reset by closing.
        """
    @property
    def error(self) -> WebSocketError | None:
        """Why the connection failed, once it has."""
    @property
    def close_event(self) -> CloseEvent | None:
        """The last event, once it is fired."""
    @property
    def remote_address(self) -> tuple[str, int] | None:
        """Address and port of the peer; None before the connection is open."""
    @property
    def local_address(self) -> tuple[str, int] | None:
        """Our own address and port; None before the connection is open, and for a Unix socket."""
    def send(self, data: str | Buffer | SupportsRead[Buffer], /, *, compress: bool | None = None) -> None:
        """Queues a message. What is sent in one handler, or in one turn of asyncio, leaves together.

        Once the socket is closing the message is only counted in `bufferedAmount`. A queue over
        `Limits.max_send_buffer` closes the socket, with a `BufferFull` error.

        Args:
            data: A `str` is sent as text, lone surrogates as U+FFFD; a bytes-like object, a `Blob` or the rest
                of an open file as binary. A file is read as the peer takes it, in the thread of the loop, and what is
                sent later waits for it; if it cannot be read, or changes, the connection fails with a
                `NotReadableError`. Of what else has `read`, such as `io.BytesIO`, all that it gives is read now.
            compress: True compresses it even if that makes it larger, False never does. None: messages
                from `Deflate.threshold` on are. Of effect where compression was agreed upon.

        Raises:
            InvalidStateError: The connection is not open yet.
            TypeError: `data` is none of these.
        """
    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Closes after what is queued, or gives up a connection that is not open yet.

        Does nothing on a socket that is closing. The `close` event tells when it is over.

        Args:
            code: 1000 or 3000 to 4999; for a server's socket also 1001-1003 and 1007-1014.
            reason: At most 123 bytes of UTF-8.

        Raises:
            InvalidAccessError: Another code.
            SyntaxError: (`tightwire.SyntaxError`) The reason is too long.
            TypeError: A code that is no `int`, or a reason that is no `str`.
        """
    async def closed(self) -> CloseEvent | None:
        """Waits in asyncio until the socket is closed; its close event."""
    def ping(self, data: str | Buffer | None = None) -> None:
        """Sends a ping of at most 125 bytes.

        Raises:
            InvalidStateError: The connection is not open.
            ValueError: More than 125 bytes.
        """
    def pause(self) -> None:
        """Reads nothing until `resume`: no message comes, pings are not answered, the peer's sends wait in the
        network, and its silence is not judged. `close` resumes."""
    def resume(self) -> None:
        """Reads again. Does nothing on a socket that is not paused."""
    def _hold(self, held: bool) -> None: ...
    def _drive(self, opening: bool = False) -> None: ...
    @property
    def _pending_handlers(self) -> int: ...
    def abort(self) -> None:
        """Ends the connection without a closing handshake; `error` and `close` (1006) follow."""
    def run(self) -> CloseEvent | None:
        """Drives its loop, that is, the sockets of this thread or of `loop=`, until this one is closed: its close
        event.

        Raises:
            WrongLoop: (a `RuntimeError`) From another thread.
            RuntimeError: In a handler, or while asyncio drives the socket.
        """
    def __await__(self) -> Generator[Any, None, Self]:
        """Waits until the connection is open: the socket itself.

        Raises:
            WebSocketError: The connection failed.
        """

@final
class Server:
    """A listening server; it listens until it is closed, whether or not this object is kept."""

    @property
    def host(self) -> str:
        """The address as it was given."""
    @property
    def port(self) -> int:
        """The port that it listens on."""
    @property
    def connections(self) -> list[WebSocket]:
        """Its sockets that are not closed."""
    def close(self, *, connections: bool = True) -> None:
        """Stops listening and closes the connections with 1001. Any thread, more than once.

        Args:
            connections: False leaves them open.
        """
    def broadcast(self, data: str | Buffer, /) -> int:
        """Sends a message to every connection that is open and whose queue is not full; to how many. Where a
        file is on its way it waits for that.

        Raises:
            WrongLoop: (a `RuntimeError`) On another thread than the one that drives the server.
        """
    def set_tls(self, tls: TLS | SSLContext) -> None:
        """Another certificate, for instance since it was renewed. Any thread.

        Connections that are accepted from now on use it; those that are open go on undisturbed.

        Raises:
            ValueError: There is no certificate in it, or the server was made without `tls`.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        _class: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None: ...

def serve(
    handler: Callable[[WebSocket], object],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    tls: TLS | SSLContext | None = None,
    protocols: str | Iterable[str] | None = None,
    origins: str | Iterable[str] | None = None,
    hosts: str | Iterable[str] | None = None,
    max_connections: int | None = None,
    timeout: float | None = 10.0,
    close_timeout: float | None = 5.0,
    linger: float | None = 2.0,
    write_timeout: float | None = 30.0,
    heartbeat: tuple[float, float] | None = ...,
    idle_timeout: float | None = None,
    limits: tuple[int, int, int, int, int] | None = None,
    compression: _Compression = None,
    binary: Literal["mirror", "bytes", "memoryview"] = "mirror",
    loop: BaseLoop | asyncio.AbstractEventLoop | None = None,
) -> Server:
    """Listens, and calls `handler` with an open socket for each connection.

    Example:
        def greet(ws):
            ws.onmessage = lambda event: ws.send(event.data)

        async def main():
            with tightwire.serve(greet, port=0) as server:
                ws = await tightwire.WebSocket(f"ws://localhost:{server.port}/")
                ws.send("hello")
                ws.onmessage = lambda event: (print(event.data), ws.close())
                await ws.closed()

        asyncio.run(main())

    The handler sets `onmessage` and the like and returns; no message is lost meanwhile. There is no
    `open` event on such a socket. If it raises, the connection is closed with 1011. The same loop
    drives the server as would drive a `WebSocket` made here.

    Args:
        handler: A function, or on asyncio and trio an `async def`.
        host: The address to listen on. On a loopback address only requests for it are accepted.
        port: 0 lets the system choose; see `Server.port`.
        tls: Certificate and key, to serve `wss:`, or an `ssl.SSLContext` that has them.
        protocols: The subprotocols that are spoken, the preferred one first.
        origins: Web pages that may connect besides those of the same host; `*` for all.
        hosts: Names that requests may have as `Host` on a loopback address, besides the machine's own; `*` for all.
        max_connections: More are refused with 503.
        timeout: Seconds that a client has for TLS and its request. None: no limit.
        close_timeout: Seconds that a client has to answer our Close. None: no limit.
        linger: Seconds that a client has to end the stream after that. None: no limit.
        write_timeout: Seconds for which a client may take no data at all. None: no limit.
        heartbeat: Seconds of silence before a ping, and seconds to wait for an answer. None: no pings.
        idle_timeout: Seconds without a message in either direction, after which a client is sent away with
            1001. None: no limit.
        limits: What a client may make us hold.
        compression: `Deflate(...)` or True accepts what clients offer. None and False accept none.
        binary: As for `WebSocket`.
        loop: The loop to use, as for `WebSocket`.

    Raises:
        ListenError: (an `OSError`) The address cannot be listened on.
        TypeError, ValueError: An argument is not legal; the text names it.
    """

@disjoint_base
class BaseLoop:
    """The base of `tightwire.Loop`, and what an asyncio loop or a thread has of its own."""

    def __new__(cls, _host: object = None, *, spin: float = 0.0) -> Self: ...
    def fileno(self) -> int:
        """The descriptor that is readable whenever `dispatch` has work, timers included.

        Raises:
            RuntimeError: The loop is closed; or the first call comes from another thread or a handler.
        """
    def dispatch(self) -> None:
        """Does what there is to do, without waiting. All handlers run in here.

        Does nothing in a handler, and on another thread while one runs the loop. Raises what a handler
        raised to end the program, such as `SystemExit`.
        """
    def run(self) -> None:
        """Drives the loop on this thread until neither a socket nor a server is left, or `stop` is called.

        Ctrl-C ends it with `KeyboardInterrupt`, and it may be called again.

        Raises:
            RuntimeError: It is run already, for instance in a handler.
        """
    def stop(self) -> None:
        """Has `run` return, or the next `run` at once. Any thread."""
    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> None:
        """Has `callback(*args)` called on the thread that drives the loop. Any thread.

        Raises:
            RuntimeError: The loop is closed.
        """
    def call_later(self, seconds: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Has `callback(*args)` called by the loop after `seconds`. A timer does not keep `run` from
        returning.

        Raises:
            RuntimeError: The loop is closed, or another thread drives it.
            ValueError: A negative time.
        """
    exception_handler: Callable[[dict[str, Any]], object] | None
    """Called with `message`, `exception`, `websocket` and `handler` for each exception that a handler raises; None:
    `sys.unraisablehook` is."""
    @property
    def idle(self) -> bool:
        """Whether neither a socket nor a server is left. False on another thread than the one that drives it."""
    @property
    def running(self) -> bool:
        """Whether `run` or a thread of its own is at work."""
    def _turn(self) -> None: ...
    def _run_until_stopped(self) -> None: ...
    def _go_away(self) -> None: ...
    def _go_away_soon(self) -> None: ...
    def _shutdown(self, grace: float) -> None: ...
    @property
    def _at_work(self) -> bool: ...
    def _abandon(self) -> None: ...
    def _keep(self, object: object) -> None: ...
    @property
    def _own_thread(self) -> bool: ...
    @property
    def _driven(self) -> bool: ...

@final
class Timer:
    """A call that is to come; `Loop.call_later` returns it."""

    def cancel(self) -> None:
        """The call does not come. Does nothing if it has. Any thread."""

def _write_unraisable(error: BaseException, handler: object) -> None:
    """Says what a handler raised, where nobody else can be told: only the interpreter makes what
    `sys.unraisablehook` takes.
    """
