"""What the benchmarks share: the echo server, raw connections to it, and what the system knows about it."""

import os
import signal
import socket
import struct
import subprocess
from pathlib import Path

SERVER = Path(__file__).resolve().parents[2] / "target" / "release" / "echo-server"
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


class Server:
    def __init__(self, command=(SERVER, "--port", "0")):
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def cpu(self):
        """Seconds of CPU so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        sock.sendall(UPGRADE)
        reply = b""
        while not reply.endswith(b"\r\n\r\n"):
            reply += sock.recv(4096)
        if not reply.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(reply.decode("latin-1"))
        return sock


def header(length, masked):
    bit = 0x80 if masked else 0
    if length < 126:
        return struct.pack("!BB", 0x82, bit | length)
    if length < 1 << 16:
        return struct.pack("!BBH", 0x82, bit | 126, length)
    return struct.pack("!BBQ", 0x82, bit | 127, length)


def frame(length):
    """A binary message of zeros, masked with a key that changes every byte."""
    key = b"\x5a\xa5\x3c\xc3"
    return header(length, True) + key + key * (length // 4) + key[: length % 4]
