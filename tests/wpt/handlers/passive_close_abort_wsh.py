"""Ends TCP instead of answering a Close."""

from answers import choose_first as web_socket_do_extra_handshake
from answers import echo as web_socket_transfer_data
from answers import end


def web_socket_passive_closing_handshake(request):
    end("without a Close")
