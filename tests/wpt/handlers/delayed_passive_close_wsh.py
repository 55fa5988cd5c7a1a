"""Takes a second to answer a Close."""

import time

from answers import choose_first as web_socket_do_extra_handshake
from answers import echo as web_socket_transfer_data
from answers import mirror_close


def web_socket_passive_closing_handshake(request):
    time.sleep(1)
    return mirror_close(request)
