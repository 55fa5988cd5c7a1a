"""The echo client that Autobahn's fuzzing server tests: see tests/README.md."""

import sys

import tightwire

AGENT = "tightwire-python"


def visit(url, on_message):
    """Opens `url` and runs until the connection is over: the socket and its close event."""
    # The server counts a keep-alive ping as an answer to the case.
    ws = tightwire.WebSocket(url, heartbeat=None)
    ws.onmessage = lambda event: on_message(ws, event.data)
    return ws, ws.run()


def echo(ws, data):
    ws.send(data)


def must_succeed(ws):
    if ws.error is not None and not isinstance(ws.error, tightwire.exceptions.ConnectionClosedError):
        raise ws.error


def main():
    if len(sys.argv) != 2:
        print("usage: echo_client.py URL", file=sys.stderr)
        return 2
    url = sys.argv[1].rstrip("/")
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
