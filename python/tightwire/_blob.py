"""The methods of `Blob` that are to be awaited. What is in a file is read on a thread."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ._native import ArrayBuffer, Blob

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

# Bytes of a piece of `stream`.
_PIECE = 65536


async def text(blob: Blob) -> str:
    """UTF-8 without a byte order mark; what is not UTF-8 becomes U+FFFD."""
    return (await content(blob)).decode("utf-8", "replace").removeprefix("\ufeff")


async def content(blob: Blob) -> bytes:
    """All of it."""
    if not blob._in_file:
        return bytes(blob)
    if "trio" in sys.modules and sys.modules["trio"].lowlevel.in_trio_run():
        read: bytes = await sys.modules["trio"].to_thread.run_sync(bytes, blob)
        return read
    import asyncio

    return await asyncio.to_thread(bytes, blob)


async def array_buffer(blob: Blob) -> ArrayBuffer:
    """A copy."""
    return ArrayBuffer(await content(blob))


async def stream(blob: Blob) -> AsyncGenerator[bytes, None]:
    """Pieces of it, in order."""
    for start in range(0, blob.size, _PIECE):
        yield await content(blob.slice(start, start + _PIECE))
