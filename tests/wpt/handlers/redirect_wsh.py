"""Answers 301 with the way to the echo server."""

from answers import end


def web_socket_do_extra_handshake(request):
    host = request.headers_in["Host"]
    answer = f"HTTP/1.1 301 Moved Permanently\r\nLocation: http://{host}/echo\r\nContent-Length: 0\r\n\r\n"
    request.connection.write(answer.encode())
    end("that was all")


def web_socket_transfer_data(request):
    pass
