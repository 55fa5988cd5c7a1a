"""Sends the 101 and a Close with 1001 and `PASS` in one piece."""

from answers import accepting, end, skip_frame
from pywebsocket3.stream import create_close_frame, create_closing_handshake_body


def web_socket_do_extra_handshake(request):
    closing = create_close_frame(create_closing_handshake_body(1001, "PASS"))
    request.connection.write(accepting(request) + closing)
    skip_frame(request)
    end("both have said it")


def web_socket_transfer_data(request):
    pass
