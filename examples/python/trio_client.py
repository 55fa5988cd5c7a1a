"""The same in trio, with a handler that is `async def`: trio_client.py [URL]"""

import sys

import tightwire
import trio


async def main(url):
    ws = await tightwire.WebSocket(url)  # open, or raises why not

    @ws.on("message")
    async def reply(event):
        await trio.sleep(0)  # whatever takes its time; the next message waits for it
        print(event.data)
        ws.close(1000, "bye")

    ws.send("hello")
    await ws.closed()


trio.run(main, sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:9001/")
