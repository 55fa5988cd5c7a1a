"""What Linux knows of a connection of this machine (sock_diag(7)), to wait for instead of a time."""

import array
import fcntl
import socket
import struct
import termios

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, NLMSG_ERROR = 4, 20, 1, 2
ANY_STATE, NO_COOKIE = 0xFFF, 0xFFFFFFFF
# Where `idiag_rqueue` is in an answer: behind its header, four bytes, the connection's name and `idiag_expires`.
UNREAD = 16 + 4 + 48 + 4


def arrived(connection):
    """Bytes that came and that nobody here has read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(connection.fileno(), termios.FIONREAD, count)
    return count[0]


def unread(connection):
    """Bytes that went to the other end, a socket of this machine over IPv4, and that nobody has read there yet."""
    (peer, peer_port), (own, own_port) = connection.getpeername(), connection.getsockname()
    ports = struct.pack("!HH", peer_port, own_port)
    addresses = b"".join(socket.inet_aton(address).ljust(16, b"\0") for address in (peer, own))
    name = ports + addresses + struct.pack("=III", 0, NO_COOKIE, NO_COOKIE)
    request = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, ANY_STATE) + name
    header = struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as system:
        system.sendall(header + request)
        answer = system.recv(1 << 16)
    (kind,) = struct.unpack_from("=H", answer, 4)
    # An error means that the other end is gone: nothing will be read any more.
    return 0 if kind == NLMSG_ERROR else struct.unpack_from("=I", answer, UNREAD)[0]
