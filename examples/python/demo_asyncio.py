"""The asyncio client of `make demo`: demo_asyncio.py WSS_URL WS_URL CA_FILE"""

import asyncio
import sys
from typing import Any

import tightwire

GREETING = "Grüße, 世界! 👋"
BYTES = bytes(i % 251 for i in range(1 << 20))


async def talk(url: str, ca: str) -> None:
    ws = tightwire.WebSocket(url, "demo.v1", tls=tightwire.TLS(ca=ca))
    messages: asyncio.Queue[Any] = asyncio.Queue()
    closed = asyncio.get_running_loop().create_future()
    ws.onmessage = lambda event: messages.put_nowait(event.data)
    ws.onclose = closed.set_result
    await ws
    print(f"open     wss, subprotocol {ws.protocol}")

    print(f"said     {GREETING}")
    ws.send(GREETING)
    print(f"heard    {await messages.get()}")

    print(f"said     {len(BYTES)} bytes")
    ws.send(BYTES)
    data = await messages.get()
    print(f"heard    {len(data)} bytes, {'all the same' if data == BYTES else 'different'}")

    print("said     tell me a story")
    ws.send("tell me a story")
    print(f"heard    {await messages.get()}")

    ws.close(4000, "see you")
    event = await closed
    print(f"closed   {event.code} {event.reason}, {'clean' if event.wasClean else 'not clean'}")


async def be_refused(url: str) -> None:
    try:
        await tightwire.WebSocket(url)
    except tightwire.WebSocketError as error:
        print(f"refused  {error}")


async def main() -> None:
    wss, plain, ca_file = sys.argv[1:]
    await talk(f"{wss}/python-asyncio", ca_file)
    await be_refused(f"{plain}/members")


if __name__ == "__main__":
    asyncio.run(main())
