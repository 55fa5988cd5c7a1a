"""Returns what it gets; closes with 1000 after `Goodbye`, which it returns, too."""

from answers import choose_first as web_socket_do_extra_handshake


def web_socket_transfer_data(request):
    message = None
    while message != "Goodbye":
        message = request.ws_stream.receive_message()
        if message is None:
            return
        request.ws_stream.send_message(message)
