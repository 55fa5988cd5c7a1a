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

import content
import diag
import numpy

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SCENARIOS = {path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "scenarios").glob("*.json"))}
# How often a condition is looked at that nobody tells of, in seconds.
PAUSE = 0.001
# Receive buffers of a server that stalls, and of one that goes on.
LITTLE, MUCH = 1 << 15, 1 << 20
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
    """What a frame carries: bytes in hexadecimal, a code and a reason, or what messages are made of."""
    if "hex" in step:
        return bytes.fromhex(step["hex"])
    if "code" in step:
        return struct.pack("!H", step["code"]) + step.get("reason", "").encode()
    made = content.made(step)
    return made.encode() if isinstance(made, str) else made


class Talk:
    """One connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer, self.write = reader, writer, writer.write
        self.socket = writer.get_extra_info("socket")

    async def run(self, scenarios):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.name = head.split()[1].split("?")[0].strip("/").split("/")[-1]
        lines = (line.partition(":") for line in head.split("\r\n")[1:])
        self.fields = {key.lower(): value.strip() for key, _, value in lines if value}
        # A client may have given up what no scenario is called.
        if self.name in scenarios:
            await self.perform(scenarios[self.name]["server"])

    async def perform(self, steps):
        for step in steps:
            ((what, given),) = step.items()
            await getattr(self, f"do_{what}")(given)

    def proof(self):
        """That the request was understood (RFC 6455 section 4.2.2)."""
        key = self.fields["sec-websocket-key"]
        return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()

    async def do_accept(self, given):
        fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": self.proof(), **given}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
        self.write(f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode())

    async def do_accept_but_for_a_letter(self, at):
        """The right answer with another character at a place."""
        right = self.proof()
        await self.do_accept({"Sec-WebSocket-Accept": right[:at] + ("B" if right[at] == "A" else "A") + right[at + 1 :]})

    async def do_http(self, text):
        """Something in front of the answer."""
        self.write(text.encode("latin-1"))

    async def do_reply(self, text):
        self.write(text.encode("latin-1"))
        await self.do_end(None)

    async def do_frame(self, step):
        self.write(frame(OPCODES[step["opcode"]], payload(step), step.get("fin", True), step.get("reserved", 0)))

    async def do_raw(self, text):
        self.write(bytes.fromhex(text))

    async def do_echo(self, count):
        for _ in range(count):
            opcode, data = await self.message()
            self.write(frame(opcode, data))

    async def do_expect(self, given):
        """Waits for a frame of this kind, and for nothing in between; perhaps with this content."""
        step = {"opcode": given} if isinstance(given, str) else given
        got, self.last = await self.message()
        assert got == OPCODES[step["opcode"]], f"expected {step['opcode']}, got {got}"
        if len(step) > 1:
            data = payload(step)
            assert self.last == data, f"expected {len(data)} bytes, got {len(self.last)} that are others"

    async def do_answer(self, _):
        """Answers the Close frame that was expected last. After it nothing may come."""
        self.write(frame(OPCODES["close"], self.last))
        assert await self.do_end(None) == b"", "there was something behind the Close frame"

    async def do_answer_close(self, _):
        """Waits for a Close frame, whatever comes before it, and answers with the same."""
        while True:
            opcode, data = await self.message()
            if opcode == OPCODES["close"]:
                self.write(frame(opcode, data))
                return await self.do_end(None)

    async def do_end(self, _):
        """Ends the stream, and reads until the other end does: what came."""
        rest = b""
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()
            if not self.writer.can_write_eof():
                return rest
            self.writer.write_eof()
            while more := await self.reader.read(1 << 16):
                rest += more
        return rest

    async def do_hold(self, _):
        """Says nothing until the other end goes."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass

    async def do_reset(self, _):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def do_one_write(self, steps):
        """What these steps write, in one piece."""
        self.writer.write(await self.collected(steps))

    async def do_byte_by_byte(self, steps):
        """What these steps write, each byte when the one before has been read."""
        for byte in await self.collected(steps):
            self.writer.write(bytes([byte]))
            await self.do_wait("read")

    async def collected(self, steps):
        data = bytearray()
        self.write = data.extend
        await self.perform(steps)
        self.write = self.writer.write
        return bytes(data)

    async def do_stall(self, _):
        """Reads no more, with little room for what comes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
        self.writer.transport.pause_reading()

    async def do_resume(self, _):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MUCH)
        self.writer.transport.resume_reading()

    async def do_wait(self, what):
        """Until something has `arrived` here and is not read, or until the other end has `read` all."""
        while not diag.arrived(self.socket) if what == "arrived" else diag.unread(self.socket):
            await asyncio.sleep(PAUSE)

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
        data = await self.reader.readexactly(size)
        words = numpy.frombuffer(data + bytes(-size % 4), "<u4") ^ numpy.frombuffer(key, "<u4")
        return first & 128, first & 15, words.tobytes()[:size]


class Server:
    """Runs in a thread until it is closed; `port` is where, `tls_port` with TLS, and nobody listens on `refused`."""

    def __init__(self, context=None):
        self.context, self.scenarios, self.failures = context, dict(SCENARIOS), []

    def __enter__(self):
        started = threading.Event()
        self.thread = threading.Thread(target=asyncio.run, args=(self._serve(started),), daemon=True)
        self.thread.start()
        assert started.wait(30)
        self.held = socket.socket()
        self.held.bind(("127.0.0.1", 0))
        self.refused = self.held.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.held.close()
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(30)

    def base(self, name, *, tls=False):
        """The URL of a scenario."""
        return f"wss://localhost:{self.tls_port}/{name}" if tls else f"ws://localhost:{self.port}/{name}"

    def scenario(self, name):
        """A scenario with the ports of this server in its URL."""
        scenario = self.scenarios[name]
        if "url" not in scenario["client"]:
            return scenario
        url = scenario["client"]["url"]
        for what, value in {"{port}": self.port, "{refused}": self.refused, "{name}": name}.items():
            url = url.replace(what, str(value))
        return {**scenario, "client": {**scenario["client"], "url": url}}

    async def _serve(self, started):
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=1 << 22)
        self.port = server.sockets[0].getsockname()[1]
        servers = [server]
        if self.context:
            servers.append(await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=1 << 22, ssl=self.context))
            self.tls_port = servers[1].sockets[0].getsockname()[1]
        started.set()
        await self.over.wait()
        for each in servers:
            each.close()

    async def _talk(self, reader, writer):
        talk = Talk(reader, writer)
        # A client may go at any time, also while the system is asked about it.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                await talk.run(self.scenarios)
            except AssertionError as error:
                self.failures.append(f"{talk.name}: {error}")
        writer.close()
