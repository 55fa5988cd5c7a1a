"""Groups of options, as plain data."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Heartbeat", "Limits"]


class Heartbeat(NamedTuple):
    """How a dead peer is noticed. Both times are in seconds."""

    interval: float = 20.0
    """After this much silence a ping is sent."""
    timeout: float = 20.0
    """How long to wait for any byte after it, before the peer counts as dead."""


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
