"""Sends a message, a Close with 1000 and one more message in one piece."""

from answers import choose_first as web_socket_do_extra_handshake
from answers import end, skip_frame
from pywebsocket3.stream import create_close_frame, create_closing_handshake_body, create_text_frame


def web_socket_transfer_data(request):
    closing = create_close_frame(create_closing_handshake_body(1000, ""))
    request.connection.write(create_text_frame("before") + closing + create_text_frame("behind"))
    skip_frame(request)
    end("both have said it")
