"""The scripted client of the interop tests: see tests/README.md."""

import argparse
import asyncio
import itertools
import json
import os
import sys
import threading
import warnings

import tightwire

# Byte i of a binary message is i modulo this.
PATTERN = bytes(range(251))
# How long a wait may take, in seconds.
PATIENCE = 30


def pattern(size):
    return bytes(itertools.islice(itertools.cycle(PATTERN), size))


def show(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Talk:
    """One connection, and the commands for it."""

    def __init__(self, ws):
        self.ws = ws
        self.lines = asyncio.Queue()
        self.messages = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self.opened, self.closed = loop.create_future(), loop.create_future()
        ws.onopen, ws.onmessage = self.on_open, self.on_message
        ws.onerror, ws.onclose = self.on_error, self.on_close
        threading.Thread(target=self.read, args=(loop,), daemon=True).start()

    def read(self, loop):
        for line in itertools.chain(sys.stdin, [None]):
            line = line if line is None else line.rstrip("\n")
            try:
                loop.call_soon_threadsafe(self.lines.put_nowait, line)
            except RuntimeError:  # the connection is over, and the loop with it
                return

    def on_open(self, event):
        show("open", protocol=self.ws.protocol, extensions=self.ws.extensions)
        self.opened.set_result(None)

    def on_message(self, event):
        if isinstance(event.data, str):
            show("text", data=event.data)
        else:
            show("binary", len=len(event.data), pattern=event.data == pattern(len(event.data)))
        self.messages.put_nowait(None)

    def on_error(self, event):
        show("error", phase=event.error.phase, code=event.error.code, text=event.message)

    def on_close(self, event):
        show("close", code=event.code, reason=event.reason, clean=event.wasClean)
        self.closed.set_result(None)

    async def carry_out(self):
        """Carries out the commands in order; ends with the end of input."""
        await self.opened
        while (line := await self.lines.get()) is not None:
            verb, _, rest = line.partition(" ")
            if verb == "wait":
                # What this interface does not report never comes.
                awaited = self.messages.get() if rest == "message" else asyncio.shield(self.closed)
                await asyncio.wait_for(awaited, PATIENCE)
                continue
            try:
                self.call(verb, rest)
            except (tightwire.WebSocketError, ValueError) as error:
                show("rejected", command=verb, text=str(error))
        self.ws.close(1000)

    def call(self, verb, rest):
        if verb == "text":
            self.ws.send(rest)
        elif verb == "binary":
            self.ws.send(pattern(int(rest)))
        elif verb == "ping":
            self.ws.ping(rest)
        elif verb == "close":
            code, _, reason = rest.partition(" ")
            self.ws.close(int(code) if code else None, reason)
        elif verb == "abort":
            self.ws.abort()
        else:
            raise ValueError(f"unknown command {verb!r}")


def connect(flags):
    tls = None
    if flags.ca or flags.insecure or flags.name:
        tls = tightwire.TLS(ca=flags.ca, verify=not flags.insecure, server_name=flags.name)
    headers = []
    for header in flags.header:
        name, _, value = header.partition(":")
        headers.append((name, value.strip()))
    proxy = None if flags.proxy_from_env else False
    if flags.proxy:
        proxy = tightwire.Proxy(flags.proxy, tls)
    return tightwire.WebSocket(flags.url, flags.protocol, headers=headers, tls=tls, proxy=proxy)


async def main(flags):
    try:
        ws = connect(flags)
    except (tightwire.WebSocketError, OSError, ValueError) as error:
        show("rejected", command="connect", text=str(error))
        return 2
    talk = Talk(ws)
    script = asyncio.ensure_future(talk.carry_out())
    await asyncio.wait([script, talk.closed], return_when=asyncio.FIRST_COMPLETED)
    if script.done() and isinstance(script.exception(), asyncio.TimeoutError):
        return 3
    if not script.done():
        script.cancel()
    await talk.closed
    return 0


def arguments():
    parser = argparse.ArgumentParser(prog="talk.py")
    parser.add_argument("url")
    parser.add_argument("--ca")
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--name")
    parser.add_argument("--proxy")
    parser.add_argument("--proxy-from-env", action="store_true")
    parser.add_argument("--protocol", action="append", default=[])
    parser.add_argument("--header", action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)  # --insecure is asked for
    status = asyncio.run(main(arguments()))
    # The thread that reads standard input may be in the middle of it.
    sys.stdout.flush()
    os._exit(status)
