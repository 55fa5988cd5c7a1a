"""Takes a second to accept."""

import time

from answers import echo as web_socket_transfer_data


def web_socket_do_extra_handshake(request):
    time.sleep(1)
