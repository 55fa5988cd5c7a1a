"""One client connection in Python: prints how it ended as one JSON object. See tests/README.md."""

import argparse
import gc
import json
import os
import time

import tightwire

FIELDS = ("content-type", "location", "retry-after", "www-authenticate")

# More than all buffers between two ends take.
FLOOD = 12 << 20


def http(error):
    response = getattr(error, "response", None)
    if response is None:
        return None
    headers = {name.lower(): value for name, value in reversed(response.headers)}
    return {
        "status": response.status,
        "reason": response.reason,
        "body": response.body.decode(),
        **{name: headers[name] for name in FIELDS if name in headers},
    }


def describe(error):
    if error is None:
        return None
    return {
        "phase": error.phase,
        "code": error.code,
        "kind": error.kind,
        "text": str(error),
        "sys": error.__cause__.errno if error.__cause__ else 0,
        "http": http(error),
        "attempts": [{"address": a.address, "cause": a.cause, "sys": a.errno or 0} for a in error.attempts],
    }


def seconds(text):
    return int(text) / 1000


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    for name in ("say", "ca", "pin", "proxy", "protocol", "digest", "flood"):
        parser.add_argument(f"--{name}")
    for name in ("close", "max-message", "max-redirects"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("open-timeout", "close-timeout", "linger", "write-timeout", "idle-timeout", "ping"):
        parser.add_argument(f"--{name}", type=seconds)
    return parser.parse_args()


def options(flags):
    given = {
        "proxy": flags.proxy or False,
        "max_redirects": flags.max_redirects or 0,
        "auth": flags.digest and tightwire.Auth.digest("me", flags.digest),
        "tls": flags.ca and tightwire.TLS(ca=flags.ca, pins=flags.pin and [flags.pin]),
        "timeout": flags.open_timeout or 10,
        "close_timeout": flags.close_timeout or 5,
        "linger": flags.linger or 2,
        "write_timeout": flags.write_timeout or 30,
        "idle_timeout": flags.idle_timeout,
        "heartbeat": tightwire.Heartbeat(flags.ping, flags.ping) if flags.ping else (20, 20),
        "limits": tightwire.Limits(max_message=flags.max_message or 16 << 20),
    }
    return {name: value for name, value in given.items() if value is not None}


def run(flags):
    ws, events = tightwire.WebSocket(flags.url, flags.protocol, **options(flags)), []
    for kind in ("open", "message", "error", "close"):
        ws.addEventListener(kind, lambda event: events.append(event.type))

    @ws.on("open")
    def opened(event):
        if flags.say:
            ws.send(flags.say)
        if flags.flood:
            ws.send(bytes(FLOOD))
        if flags.close:
            ws.close(flags.close)

    closed = ws.run()
    return {
        "events": events,
        "code": closed.code,
        "clean": closed.wasClean,
        "reason": closed.reason,
        "error": describe(closed.error),
    }


def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def left_over(before):
    """How many more there are than before; a thread that looks names up may be on its way out."""
    for _ in range(100):
        if descriptors() <= before:
            break
        time.sleep(0.001)
    return descriptors() - before


if __name__ == "__main__":
    given = arguments()
    # What an import opens stays open.
    if given.ca:
        tightwire.TLS(ca=given.ca)
    before, begin = descriptors(), time.monotonic()
    ended = run(given)
    took = round((time.monotonic() - begin) * 1000)
    print(json.dumps({**ended, "descriptors": left_over(before), "took": took}))
