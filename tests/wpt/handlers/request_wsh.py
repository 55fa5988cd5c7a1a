"""Tells the request as JSON, then returns what it gets."""

from answers import choose_first as web_socket_do_extra_handshake
from answers import echo, told
from answers import mirror_close as web_socket_passive_closing_handshake


def web_socket_transfer_data(request):
    request.ws_stream.send_message(told(request))
    echo(request)
