"""The other end of a scenario: does to each connection what its script says, byte by byte.

Steps: `head` reads up to an empty line; `read N` reads N bytes; `text T` and `hex H` send; `repeat N T` sends T so often;
`upgrade F` answers the request with 101 and more lines F; `tls NAME` is TLS with that certificate, `tls-client NAME`
demands one of the client; `fin` ends our half and `rst` resets; `deafen` reads nothing, and `hold` all, until the
client's end. At the end of its
script a connection is held.
"""

import base64
import hashlib
import socket
import ssl
import struct
import threading

PATIENCE = 30
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Peer:
    def __init__(self, scripts, certificates, deaf=False):
        """`deaf`: connections are neither made nor refused."""
        self.scripts, self.certificates = scripts, certificates
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0 if deaf else 8)
        self.port = self.listener.getsockname()[1]
        self.over = threading.Event()
        self.queue = [self._knock() for _ in range(4)] if deaf else []
        self.failure = None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _knock(self):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", self.port))
        return client

    def _serve(self):
        for script in self.scripts:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            Conversation(connection, self).play(script)

    def stop(self):
        self.over.set()
        # A `shutdown` wakes the `accept` that still waits.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.queue:
            client.close()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the peer waits for something that does not come"


class Conversation:
    def __init__(self, connection, peer):
        self.io, self.peer, self.request = connection, peer, b""

    def play(self, script):
        try:
            for step in script:
                verb, _, rest = step.partition(" ")
                getattr(self, verb.replace("-", "_"))(rest)
            self.hold("")
        except (OSError, EOFError):
            pass  # the client has gone, which is its right
        finally:
            self.io.close()

    def head(self, _):
        self.request = b""
        while not self.request.endswith(b"\r\n\r\n"):
            self.request += self.take(1)

    def take(self, count):
        if data := self.io.recv(count):
            return data
        raise EOFError

    def read(self, count):
        left = int(count)
        while left:
            left -= len(self.take(left))

    def text(self, text):
        self.io.sendall(text.replace("{port}", str(self.peer.port)).encode())

    def hex(self, digits):
        self.io.sendall(bytes.fromhex(digits))

    def repeat(self, rest):
        count, _, text = rest.partition(" ")
        self.text(text * int(count))

    def upgrade(self, fields):
        self.head("")
        key = self.request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        self.text(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
        )

    def tls(self, name, demands=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*getattr(self.peer.certificates, name))
        if demands:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.peer.certificates.ca)
        self.io = context.wrap_socket(self.io, server_side=True)

    def tls_client(self, name):
        self.tls(name, demands=True)

    def deafen(self, _):
        """Reads nothing. The client's end would be behind what it sends, so that it cannot be waited for."""
        self.peer.over.wait(PATIENCE)
        raise EOFError

    def fin(self, _):
        self.io.shutdown(socket.SHUT_WR)

    def rst(self, _):
        self.io.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise EOFError

    def hold(self, _):
        while self.io.recv(1 << 16):
            pass
