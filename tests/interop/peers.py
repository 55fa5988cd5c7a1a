"""Servers of other libraries for our clients, and servers that only take notes.

What a server does is in the path: /echo; /fragments returns a message in three fragments with a ping between;
/close?code=C&reason=R closes on a message; /drop ends TCP on a message; /header returns the field X-Test on a message;
/ping pings and reports the pong; /refuse answers 403. Subprotocols: chat, superchat.
"""

import asyncio
import datetime
import json
import socket
import ssl
import threading
import urllib.parse

import programs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


def server_context(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


async def fragments(ws, data):
    third = len(data) // 3
    yield data[:third]
    await ws.ping("between")
    yield data[third : 2 * third]
    yield data[2 * third :]


async def behave(ws):
    url = urllib.parse.urlsplit(ws.request.path)
    query = dict(urllib.parse.parse_qsl(url.query))
    try:
        if url.path == "/ping":
            await (await ws.ping("are you there"))
            await ws.send("pong are you there")
        async for data in ws:
            if url.path == "/echo":
                await ws.send(data)
            elif url.path == "/fragments":
                await ws.send(fragments(ws, data))
            elif url.path == "/drop":
                ws.transport.abort()
            elif url.path == "/header":
                await ws.send(ws.request.headers.get("X-Test", ""))
            elif "code" in query:
                await ws.close(int(query["code"]), query.get("reason", ""))
            else:
                ws.protocol.send_close()
                ws.send_data()
    except ConnectionClosed:
        pass


def refuse(connection, request):
    return connection.respond(403, "not today") if request.path == "/refuse" else None


class WebSocketsServer:
    """PyPI's websockets in a thread of its own."""

    def __init__(self, files, deflate):
        self.extensions = None if deflate is None else [ServerPerMessageDeflateFactory(**deflate)]
        self.loop, self.ready = asyncio.new_event_loop(), threading.Event()
        self.files = files
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self._main(),), daemon=True)
        self.thread.start()
        assert self.ready.wait(programs.PATIENCE)

    async def _main(self):
        self.done = asyncio.Event()
        tls = server_context(self.files) if self.files else None
        async with serve(
            behave, "127.0.0.1", 0, ssl=tls, max_size=None, process_request=refuse, subprotocols=["chat", "superchat"],
            select_subprotocol=lambda _, offered: next((p for p in ("chat", "superchat") if p in offered), None),
            ping_interval=None, extensions=self.extensions, compression=None,
        ) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await self.done.wait()

    def stop(self):
        self.loop.call_soon_threadsafe(self.done.set)
        self.thread.join(programs.PATIENCE)


def start(library, files, deflate=None):
    """`deflate`: accept compression, with these parameters of RFC 7692."""
    if library == "websockets":
        return WebSocketsServer(files, deflate)
    flags = [] if deflate is None else ["--deflate", json.dumps(deflate)]
    return programs.Program(["node", programs.NODE / "server.js", *flags, *(files or ())])


class Relay:
    """Hands on bytes between clients and a port of this machine, and counts them in both directions.

    `first` is what the first client sent at first: its request. So many clients are dropped before.
    """

    def __init__(self, port, drops=0):
        self.drops, self.dropped = drops, 0
        self.to, self.up, self.down, self.first = port, 0, 0, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.dropped < self.drops:
                self.dropped += 1
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self._copy, args=(client, server, "up"), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client, "down"), daemon=True).start()

    def _copy(self, source, sink, direction):
        try:
            while data := source.recv(65536):
                setattr(self, direction, getattr(self, direction) + len(data))
                self.first = self.first or data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


class Recorder:
    """Takes connections, with TLS if it has a context, and keeps every byte that came over them."""

    def __init__(self, context=None, reply=b""):
        self.context, self.reply = context, reply
        self.received, self.connections, self.sni, self.alpn, self.versions = b"", 0, [], [], []
        self.finished = threading.Semaphore(0)
        if context:
            context.sni_callback = lambda _sock, name, _context: self.sni.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(programs.PATIENCE)
            try:
                self._read(sock)
            except OSError:
                pass
            finally:
                sock.close()
                self.finished.release()

    def _read(self, sock):
        if self.context:
            sock = self.context.wrap_socket(sock, server_side=True)
            self.versions.append(sock.version())
            self.alpn.append(sock.selected_alpn_protocol())
        with sock:
            while data := sock.recv(65536):
                self.received += data
                if self.reply:
                    sock.sendall(self.reply)
                    return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def wait(self):
        assert self.finished.acquire(timeout=programs.PATIENCE), "no connection has ended"


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "self-signed.pem", folder / "self-signed.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files
