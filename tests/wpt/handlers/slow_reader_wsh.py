"""Rests after each message, and tells how many there were after `how many?`."""

import time

from answers import choose_first as web_socket_do_extra_handshake
from answers import mirror_close as web_socket_passive_closing_handshake


def web_socket_transfer_data(request):
    count = 0
    while (message := request.ws_stream.receive_message()) is not None:
        if message == "how many?":
            request.ws_stream.send_message(str(count))
        else:
            count += 1
            time.sleep(0.01)
