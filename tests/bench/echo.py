"""CPU of the echo server per message, for sizes and numbers of messages in flight.

The client is raw sockets and sends frames made beforehand, so that the server's own CPU time can be read from the
system. Compare only within one run, or between two binaries run in turns:

    echo.py [COMMAND...]        another echo server that prints its port first
"""

import sys
import threading

from load import Server, frame, header

CELLS = [(64, 1), (64, 32), (1024, 1), (1024, 32), (16 << 10, 4), (64 << 10, 4), (1 << 20, 1)]
BYTES_EACH, MESSAGES_EACH = 256 << 20, 60_000


def rounds(size, flight):
    messages = min(MESSAGES_EACH if flight == 1 else 10 * MESSAGES_EACH, BYTES_EACH // size)
    return max(1, messages // flight)


def measure(server, size, flight):
    """Microseconds of CPU for one message of `size` with `flight` of them on the way."""
    batch, count = frame(size) * flight, rounds(size, flight)
    answer = (size + len(header(size, False))) * flight
    buffer = bytearray(max(answer, 1))
    with server.connect() as sock:
        began = server.cpu()
        for _ in range(count):
            sender = None
            if len(batch) > 128 << 10:  # Both directions at once, or both ends wait for ever.
                sender = threading.Thread(target=sock.sendall, args=(batch,))
                sender.start()
            else:
                sock.sendall(batch)
            missing = answer
            while missing:
                if not (got := sock.recv_into(buffer, missing)):
                    raise RuntimeError("the server closed")
                missing -= got
            if sender:
                sender.join()
        return (server.cpu() - began) / (count * flight) * 1e6


def main():
    command = sys.argv[1:]
    with Server(command) if command else Server() as server:
        print(f"{'bytes':>8} {'in flight':>10} {'us CPU per message':>19}")
        for size, flight in CELLS:
            print(f"{size:>8} {flight:>10} {measure(server, size, flight):>19.2f}", flush=True)


if __name__ == "__main__":
    main()
