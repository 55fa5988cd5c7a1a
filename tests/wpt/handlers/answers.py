"""What several handlers do."""

import json

from pywebsocket3 import common
from pywebsocket3.handshake import AbortedByUserException
from pywebsocket3.handshake.hybi import compute_accept_from_unicode


def choose_first(request):
    """Chooses the first subprotocol that was asked for, if one was."""
    if request.ws_requested_protocols:
        request.ws_protocol = request.ws_requested_protocols[0]


def echo(request):
    """Returns messages until the connection closes."""
    while (message := request.ws_stream.receive_message()) is not None:
        request.ws_stream.send_message(message, binary=isinstance(message, bytes))


def mirror_close(request):
    """Answers a Close with what is in it."""
    code = request.ws_close_code
    return (None, "") if code == common.STATUS_NO_STATUS_RECEIVED else (code, request.ws_close_reason)


def accepting(request, *fields, accept=None):
    """A 101 with more fields than pywebsocket3 would let a handler send."""
    accept = accept or compute_accept_from_unicode(request.headers_in["Sec-WebSocket-Key"]).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}", *fields, "", "",
    ]
    return "\r\n".join(lines).encode()


def skip_frame(request):
    """Reads one short frame of the client."""
    _, length = request.connection.read(2)
    request.connection.read(4 + (length & 0x7F))


def end(why):
    """Ends the TCP connection, with no more than was written so far."""
    raise AbortedByUserException(why)


def told(request):
    """The request as JSON."""
    fields = [[name.lower(), value] for name, value in request.headers_in.items()]
    return json.dumps({"uri": request.unparsed_uri, "fields": fields})
