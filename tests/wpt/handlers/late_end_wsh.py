"""Closes with 1000, and ends TCP when half a second has passed since the answer."""

import time

from answers import choose_first as web_socket_do_extra_handshake


def web_socket_transfer_data(request):
    request.ws_stream.close_connection(1000, "")
    time.sleep(0.5)
