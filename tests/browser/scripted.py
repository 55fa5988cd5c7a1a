"""A server that does what a scenario says, byte by byte: the path of a request names the scenario."""

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from pathlib import Path

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SCENARIOS = {path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "scenarios").glob("*.json"))}
OPCODES = {"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}


def frame(opcode, payload, fin=True, reserved=0):
    """A frame of a server."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if len(payload) < 126:
        head += bytes([len(payload)])
    elif len(payload) < 1 << 16:
        head += struct.pack("!BH", 126, len(payload))
    else:
        head += struct.pack("!BQ", 127, len(payload))
    return head + payload


def payload(step):
    """What a step sends: text, bytes in hexadecimal, or so many of one kind."""
    if "hex" in step:
        return bytes.fromhex(step["hex"])
    if "code" in step:
        return struct.pack("!H", step["code"]) + step.get("reason", "").encode()
    return (step.get("text", "") * step.get("times", 1)).encode()


class Talk:
    """One connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def run(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        name = head.split()[1].split("?")[0].strip("/").split("/")[-1]
        lines = (line.partition(":") for line in head.split("\r\n")[1:])
        self.fields = {key.lower(): value.strip() for key, _, value in lines if value}
        for step in SCENARIOS[name]["server"]:
            ((what, given),) = step.items()
            await getattr(self, f"do_{what}")(given)

    async def do_accept(self, given):
        key = self.fields["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept, **given}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
        self.writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode())

    async def do_reply(self, text):
        self.writer.write(text.encode("latin-1"))
        await self.do_end(None)

    async def do_frame(self, step):
        data = frame(OPCODES[step["opcode"]], payload(step), step.get("fin", True), step.get("reserved", 0))
        self.writer.write(data)

    async def do_raw(self, text):
        self.writer.write(bytes.fromhex(text))

    async def do_echo(self, count):
        for _ in range(count):
            opcode, data = await self.message()
            self.writer.write(frame(opcode, data))

    async def do_expect(self, opcode):
        """Waits for a frame of this kind, and for nothing in between."""
        got, self.last = await self.message()
        assert got == OPCODES[opcode], f"expected {opcode}, got {got}"

    async def do_answer_close(self, _):
        """Waits for a Close frame, whatever comes before it, and answers with the same."""
        while True:
            opcode, data = await self.message()
            if opcode == OPCODES["close"]:
                self.writer.write(frame(opcode, data))
                return await self.do_end(None)

    async def do_end(self, _):
        await self.writer.drain()
        self.writer.write_eof()
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass

    async def do_reset(self, _):
        await self.writer.drain()
        stream = self.writer.get_extra_info("socket")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def message(self):
        """The next message or control frame. Chromium sends long messages in fragments."""
        fin, opcode, data = await self.frame()
        while not fin:
            fin, _, more = await self.frame()
            data += more
        return opcode, data

    async def frame(self):
        """The next frame, unmasked."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        key = await self.reader.readexactly(4)
        data = bytearray(await self.reader.readexactly(size))
        if size:
            mask = int.from_bytes((key * (size // 4 + 1))[:size], "little")
            data = (int.from_bytes(data, "little") ^ mask).to_bytes(size, "little")
        return first & 128, first & 15, bytes(data)


class Server:
    """Runs in a thread until it is closed; `port` is where."""

    def __enter__(self):
        started = threading.Event()
        self.thread = threading.Thread(target=asyncio.run, args=(self._serve(started),), daemon=True)
        self.thread.start()
        assert started.wait(30)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(30)

    async def _serve(self, started):
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=1 << 22)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self.over.wait()
        server.close()

    async def _talk(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await Talk(reader, writer).run()
        writer.close()
