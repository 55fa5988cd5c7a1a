"""A chat in asyncio: what one says, all hear. chat_server.py [PORT]"""

import asyncio
import sys

import tightwire


async def main(port):
    def join(ws):
        ws.onmessage = lambda event: [other.send(event.data) for other in server.connections]

    server = tightwire.serve(join, "127.0.0.1", port)
    print(f"listening on ws://{server.host}:{server.port}/")
    await asyncio.Event().wait()


try:
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9001))
except KeyboardInterrupt:
    pass
