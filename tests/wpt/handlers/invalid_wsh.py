"""Answers with what is no HTTP."""

from answers import end


def web_socket_do_extra_handshake(request):
    request.connection.write(b"FOO BAR BAZ\r\n\r\n")
    end("that was all")


def web_socket_transfer_data(request):
    pass
