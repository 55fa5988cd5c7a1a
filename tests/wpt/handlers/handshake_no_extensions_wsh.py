"""Declines every extension."""

from answers import echo as web_socket_transfer_data
from answers import mirror_close as web_socket_passive_closing_handshake


def web_socket_do_extra_handshake(request):
    request.ws_extension_processors = []
