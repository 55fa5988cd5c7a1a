"""The same in asyncio, which drives the socket by itself: asyncio_client.py [URL]"""

import asyncio
import sys

import tightwire


async def main(url):
    messages: asyncio.Queue[str] = asyncio.Queue()
    ws = tightwire.WebSocket(url)
    ws.onmessage = lambda event: messages.put_nowait(event.data)
    await ws  # open, or raises why not
    ws.send("hello")
    print(await messages.get())
    ws.close(1000, "bye")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:9001/"))
