"""Returns what it gets, and answers a Close with the same."""

from answers import choose_first as web_socket_do_extra_handshake
from answers import echo as web_socket_transfer_data
from answers import mirror_close as web_socket_passive_closing_handshake
