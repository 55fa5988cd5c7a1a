"""pywebsocket3 with the handlers of this folder, on a free port of 127.0.0.1, which it prints first.

    server.py [CERTIFICATE KEY]
"""

import argparse
import logging
import ssl
import sys
from pathlib import Path

from pywebsocket3.websocket_server import WebSocketServer

HANDLERS = Path(__file__).resolve().parent / "handlers"


class Server(WebSocketServer):
    """Its own way to TLS is a function that newer Pythons do not have."""

    def _create_sockets(self):
        super()._create_sockets()
        options = self.websocket_server_options
        if options.files:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*options.files)
            self._sockets = [(context.wrap_socket(plain, server_side=True), address) for plain, address in self._sockets]


def main():
    logging.basicConfig(level=logging.CRITICAL)
    # Handlers import what they share.
    sys.path.insert(0, str(HANDLERS))
    options = argparse.Namespace(
        server_host="127.0.0.1", port=0, request_queue_size=128, files=sys.argv[1:], use_tls=False,
        websock_handlers=str(HANDLERS), scan_dir=str(HANDLERS), websock_handlers_map_file=None,
        allow_handlers_outside_root_dir=False, handler_encoding="utf-8", validation_host=None, validation_port=None,
        cgi_directories=[], is_executable_method=None, use_basic_auth=False,
    )
    server = Server(options)
    warnings = options.dispatcher.source_warnings()
    assert not warnings, warnings
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
