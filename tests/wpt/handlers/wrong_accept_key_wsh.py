"""Answers with a Sec-WebSocket-Accept that belongs to another key."""

from answers import accepting, end


def web_socket_do_extra_handshake(request):
    request.connection.write(accepting(request, accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    end("that was all")


def web_socket_transfer_data(request):
    pass
