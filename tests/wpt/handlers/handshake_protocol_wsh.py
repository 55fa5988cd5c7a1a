"""Chooses the subprotocol `foobar`, whatever was asked for."""

from answers import accepting, end


def web_socket_do_extra_handshake(request):
    request.connection.write(accepting(request, "Sec-WebSocket-Protocol: foobar"))
    end("that was all")


def web_socket_transfer_data(request):
    pass
