"""Groups of options, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ssl import SSLContext

    from ._native import TLS

__all__ = ["Deflate", "Handshake", "Heartbeat", "Limits", "Proxy", "Reconnect", "Stats"]


class Deflate(NamedTuple):
    """Compression of messages (permessage-deflate, RFC 7692): whether it pays is a question of memory.

    The mode says what a connection keeps between two messages; sizes are for the default window and
    memory level. `"shared"`: nothing, each message is compressed by itself. `"dedicated"`: a compressor
    (161 KiB) and a decompressor (46 KiB), made for the first compressed message; the fastest, and small
    messages become smallest. `"parked"`: the last 4 KiB in each direction (32 KiB of what comes in, if the peer
    cannot keep to a smaller window), as small and slower.
    """

    mode: str = "dedicated"
    """`"shared"`, `"dedicated"` or `"parked"`."""
    level: int | None = None
    """From 1, the fastest, to 9, the smallest output. None: 1 on a client, 2 on a server."""
    memory_level: int = 5
    """Memory of a compressor, from 1 to 9."""
    window_bits: int = 12
    """The window of our compressor, base-2 logarithm of bytes, from 9 to 15."""
    peer_window_bits: int | None = None
    """The largest window that the peer is asked to keep to. None: 15, and `window_bits` if parked."""
    threshold: int = 128
    """Messages with fewer bytes are sent as they are."""


class Heartbeat(NamedTuple):
    """How a dead peer is noticed. Both times are in seconds."""

    interval: float = 20.0
    """After this much silence a ping is sent."""
    timeout: float = 20.0
    """How long to wait for any byte after it, before the peer counts as dead."""


class Handshake(NamedTuple):
    """What the peer sent in the opening handshake (RFC 6455 section 4), and what came of it.

    Our own half is not kept: it may have a password in it.
    """

    status: int
    """The status of the answer: 101 if it opened the connection."""
    request_headers: list[tuple[str, str]] | None
    """On a server's socket the fields that the client sent, in order; else None."""
    response_headers: list[tuple[str, str]] | None
    """On a client's socket the fields that the server answered, in order, but for `Sec-WebSocket-Accept`; else None."""
    protocol: str
    """The subprotocol that was agreed upon; may be empty."""
    extensions: str
    """The extensions that were agreed upon; may be empty."""


class Stats(NamedTuple):
    """What went over one connection so far.

    Only the members `deflate_...` are about compression: they count the messages that went compressed.
    """

    deflate_sent: int = 0
    """Payload of the messages that were sent compressed."""
    deflate_sent_compressed: int = 0
    """The same payload on the wire."""
    deflate_received: int = 0
    """Payload of the messages that came compressed."""
    deflate_received_compressed: int = 0
    """The same payload on the wire."""
    messages_sent: int = 0
    """Messages that the system took for sending, or that wait for it."""
    payload_sent: int = 0
    """Payload of these messages in bytes, before compression."""
    bytes_sent: int = 0
    """Bytes that the system took: frames and the opening handshake, without TLS."""
    messages_received: int = 0
    """Messages that came in whole."""
    payload_received: int = 0
    """Payload of these messages in bytes, after decompression."""
    bytes_received: int = 0
    """Bytes that came in: frames and the opening handshake, without TLS."""


class Proxy(NamedTuple):
    """A proxy that leads to servers, with TLS settings for the way to the proxy itself."""

    url: str
    """`http://user:password@host:port`, `https://...`, `socks5://...` or `socks5h://...`."""
    tls: TLS | SSLContext | None = None
    """Trust and keys for an `https://` proxy; None: what the system trusts."""


class Reconnect(NamedTuple):
    """How long `reconnect` waits before the next attempt. All times are in seconds.

    The wait before the nth attempt in a row is a random time of at most `initial` doubled n times and
    of at most `max`, so that the clients of a server that was restarted do not come all at once.
    """

    initial: float = 0.25
    """The most that the first wait may take."""
    max: float = 30.0
    """The most that any wait may take."""
    reset_after: float = 60.0
    """A connection that was open for so long makes the next wait a first one again."""
    max_attempts: int | None = None
    """Attempts in a row before giving up; None: no limit."""


class Limits(NamedTuple):
    """What a peer may make us hold. All sizes are in bytes."""

    max_message: int = 16 << 20
    """Largest message that is received; a larger one fails the connection with code 1009."""
    max_send_buffer: int = 16 << 20
    """Most payload that may be queued; a `send` that finds more closes the socket."""
    max_head: int = 16 << 10
    """Largest HTTP head of the opening handshake."""
    max_fields: int = 100
    """Most header fields of the opening handshake."""
    pending_handlers: int = 16
    """Most `async def` handlers of a socket that may be unfinished: with more it reads nothing."""
