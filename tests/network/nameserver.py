"""A DNS server that knows no name: everything is NXDOMAIN (RFC 1035 section 4.1.1)."""

import json
import socket

NO_SUCH_NAME = b"\x81\x83"


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        print(json.dumps({"event": "listening"}), flush=True)
        while True:
            query, client = server.recvfrom(512)
            # The question goes back with the answer; what else the query holds does not.
            end = query.index(0, 12) + 5
            server.sendto(query[:2] + NO_SUCH_NAME + b"\0\1" + bytes(6) + query[12:end], client)


if __name__ == "__main__":
    main()
