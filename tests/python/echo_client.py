"""The echo client that Autobahn's fuzzing server tests: see tests/README.md."""

import sys

import tightwire

AGENT = "tightwire-python"


MODES = {"off": False, **{mode: tightwire.Deflate(mode) for mode in ("shared", "dedicated", "parked")}}
compression = None


def visit(url, on_message):
    """Opens `url` and runs until the connection is over: the socket and its close event."""
    # The server counts a keep-alive ping as an answer to the case.
    ws = tightwire.WebSocket(url, heartbeat=None, compression=compression)
    ws.onmessage = lambda event: on_message(ws, event.data)
    return ws, ws.run()


def echo(ws, data):
    # The server cannot take an uncompressed answer in its cases of compression.
    ws.send(data, compress=True)


def must_succeed(ws):
    if ws.error is not None and not isinstance(ws.error, tightwire.exceptions.ConnectionClosedError):
        raise ws.error


def main():
    global compression
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] == "--deflate-mode" and arguments[1] in MODES:
        compression = MODES[arguments[1]]
        del arguments[:2]
    if len(arguments) != 1:
        print(f"usage: echo_client.py [--deflate-mode {'|'.join(MODES)}] URL", file=sys.stderr)
        return 2
    url = arguments[0].rstrip("/")
    counts = []
    ws, _ = visit(f"{url}/getCaseCount", lambda ws, data: counts.append(int(data)))
    must_succeed(ws)
    if not counts:
        print("echo_client.py: the server told no number of cases", file=sys.stderr)
        return 1
    for case in range(1, counts[0] + 1):
        # How a case ends is for the server to judge.
        visit(f"{url}/runCase?case={case}&agent={AGENT}", echo)
    ws, _ = visit(f"{url}/updateReports?agent={AGENT}", echo)
    must_succeed(ws)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except tightwire.WebSocketError as error:
        sys.exit(f"echo_client.py: {error}")
