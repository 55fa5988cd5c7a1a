"""The scripted client of tests/README.md on PyPI's websockets, as a peer of our servers.

It has one more command: `fragments WORD...` sends one text message in a fragment a word, a ping before the last.
"""

import argparse
import asyncio
import json
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


def say(**event):
    print(json.dumps(event), flush=True)


def pattern(length):
    return bytes(range(251)) * (length // 251) + bytes(range(length % 251))


def context(options):
    if not options.url.startswith("wss:"):
        return None
    tls = ssl.create_default_context(cafile=options.ca)
    if options.insecure:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


def extensions(options):
    return None if options.deflate is None else [ClientPerMessageDeflateFactory(**options.deflate)]


async def read(ws, messages):
    try:
        async for data in ws:
            if isinstance(data, str):
                say(event="text", data=data)
            else:
                say(event="binary", len=len(data), pattern=data == pattern(len(data)))
            messages.release()
    except ConnectionClosed:
        pass


async def pieces(ws, words):
    for word in words[:-1]:
        yield word
    await ws.ping("between")
    yield words[-1]


async def pong(ws, text, pongs):
    await (await ws.ping(text))
    say(event="pong", data=text)
    pongs.release()


async def command(ws, line, messages, pongs):
    name, _, rest = line.partition(" ")
    if name == "text":
        await ws.send(rest)
    elif name == "binary":
        await ws.send(pattern(int(rest)))
    elif name == "fragments":
        await ws.send(pieces(ws, rest.split(" ")))
    elif name == "ping":
        await pong(ws, rest, pongs)
    elif name == "abort":
        ws.transport.abort()
    elif name == "close":
        code, _, reason = rest.partition(" ")
        if code:
            await ws.close(int(code), reason)
        else:  # The interface has no close without a code: send the frame itself.
            ws.protocol.send_close()
            ws.send_data()
    elif name == "wait":
        await {"message": messages.acquire, "pong": pongs.acquire, "close": ws.wait_closed}[rest]()
    else:
        raise ValueError(name)


async def script(ws, messages):
    pongs = asyncio.Semaphore(0)
    while line := (await asyncio.to_thread(sys.stdin.readline)).removesuffix("\n"):
        await command(ws, line, messages, pongs)
        if line == "close" or line.startswith("close "):
            return
    await ws.close(1000)


async def main(options):
    headers = [tuple(part.strip() for part in h.split(":", 1)) for h in options.header]
    more = {"server_hostname": options.name} if options.name else {}
    try:
        ws = await connect(
            options.url, ssl=context(options), subprotocols=options.protocol or None, additional_headers=headers,
            extensions=extensions(options), compression=None, max_size=None, ping_interval=None, proxy=None, **more,
        )
    except Exception as error:
        say(event="error", phase="", code=0, text=str(error))
        say(event="close", code=1006, reason="", clean=False)
        return
    agreed = ws.response.headers.get_all("Sec-WebSocket-Extensions")
    say(event="open", protocol=ws.subprotocol or "", extensions=", ".join(agreed))
    messages = asyncio.Semaphore(0)
    reader = asyncio.create_task(read(ws, messages))
    scripted = asyncio.create_task(script(ws, messages))
    await ws.wait_closed()
    await reader
    scripted.cancel()
    clean = ws.protocol.close_rcvd is not None and ws.protocol.close_sent is not None
    say(event="close", code=ws.close_code, reason=ws.close_reason or "", clean=clean)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--ca")
    parser.add_argument("--name")
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--deflate", type=json.loads, help="offer compression, with these parameters as JSON")
    parser.add_argument("--protocol", action="append", default=[])
    parser.add_argument("--header", action="append", default=[])
    asyncio.run(main(parser.parse_args()))
    sys.stdout.flush()
    import os

    os._exit(0)  # A thread may still be waiting for standard input.
