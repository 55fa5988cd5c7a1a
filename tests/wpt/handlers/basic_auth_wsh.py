"""Lets only the user `foo` with the password `bar` in."""

import base64

from answers import echo as web_socket_transfer_data
from answers import end
from answers import mirror_close as web_socket_passive_closing_handshake

EXPECTED = "Basic " + base64.b64encode(b"foo:bar").decode()


def web_socket_do_extra_handshake(request):
    if request.headers_in.get("Authorization") != EXPECTED:
        fields = b"WWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
        request.connection.write(b"HTTP/1.1 401 Unauthorized\r\n" + fields)
        end("who are you?")
