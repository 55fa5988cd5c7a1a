"""A name server that has never heard of anything (RFC 1035: NXDOMAIN)."""

import socket

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("0.0.0.0", 53))
    print("ready", flush=True)
    while True:
        query, client = server.recvfrom(512)
        # The same identifier and question; a response, recursion available, no such name.
        server.sendto(query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12:], client)
