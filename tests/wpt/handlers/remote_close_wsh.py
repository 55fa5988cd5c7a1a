"""Closes at once: with the `code` and `reason` of the query, else with an empty Close; `abrupt`: without any."""

import urllib.parse

from answers import choose_first as web_socket_do_extra_handshake
from answers import end


def web_socket_transfer_data(request):
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.ws_resource).query))
    if "abrupt" in query:
        end("abruptly")
    code = int(query["code"]) if "code" in query else None
    request.ws_stream.close_connection(code, query.get("reason", ""))
