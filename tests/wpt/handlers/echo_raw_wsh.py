"""Writes what it gets to the connection as it is: the client says which bytes the server sends. Ends after `end`."""

from answers import choose_first as web_socket_do_extra_handshake
from answers import end


def web_socket_transfer_data(request):
    while (message := request.ws_stream.receive_message()) is not None:
        if message == "end":
            end("as told")
        request.connection.write(message)
