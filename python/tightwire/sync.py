"""The blocking twins of what the package offers for asyncio.

    import tightwire.sync

    for ws in tightwire.sync.reconnect("wss://example.com/"):
        ws.onmessage = lambda event: print(event.data)
        ws.run()
"""

from ._reconnect import reconnect

__all__ = ["reconnect"]
