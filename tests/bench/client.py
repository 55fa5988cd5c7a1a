#!/usr/bin/env python3
"""A client for benchmark harnesses, with onmessage and send: client.py LOOP TASK URL SIZE SECONDS

LOOP is `own`, `asyncio` or `uvloop`. TASK is `rtt` (sends SIZE bytes, waits for their echo, and so on) or `recv` (counts
the messages that the URL sends). Warms up for 0.2 s, then prints one JSON object: messages a second, round trips in
microseconds, CPU a message. TIGHTWIRE names a folder with another version of the package, to compare.
"""

import asyncio
import json
import os
import resource
import sys
from pathlib import Path
from time import perf_counter_ns

sys.path.insert(0, os.environ.get("TIGHTWIRE") or str(Path(__file__).resolve().parents[2] / "python"))

import tightwire  # noqa: E402

WARM_UP = 0.2


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Meter:
    """Counts messages, and reads the clock after each round trip, or after 64 messages."""

    def __init__(self, round_trips, seconds):
        self.every, self.seconds = 1 if round_trips else 64, seconds
        self.count, self.warm, self.times = 0, False, []
        self.began = self.last = perf_counter_ns()

    def tick(self):
        """One more message; whether that is enough."""
        self.count += 1
        if self.count % self.every:
            return False
        now = perf_counter_ns()
        self.times.append(now - self.last)
        self.last = now
        passed = (now - self.began) / 1e9
        if self.warm:
            return passed > self.seconds
        if passed > WARM_UP:
            self.count, self.warm, self.times = 0, True, []
            self.began, self.cpu = now, cpu()
        return False

    def report(self):
        used, passed = cpu() - self.cpu, (perf_counter_ns() - self.began) / 1e9
        times = sorted(self.times) if self.every == 1 else [0]
        p50, p99 = (times[int((len(times) - 1) * part)] / 1e3 for part in (0.5, 0.99))
        print(
            json.dumps(
                {
                    "rate": round(self.count / passed, 1),
                    "p50_us": round(p50, 2),
                    "p99_us": round(p99, 2),
                    "client_cpu": round(used / passed, 3),
                    "client_us_per_msg": round(used * 1e6 / self.count, 4),
                }
            )
        )


def start(task, url, size, meter):
    """A socket that measures until it has enough, and then goes."""
    body = b"x" * size
    ws = tightwire.WebSocket(url, compression=False, binary="bytes")
    send, tick = ws.send, meter.tick

    def echoed(event):
        event.data
        if tick():
            end()
        else:
            send(body)

    def received(event):
        event.data
        if tick():
            end()

    def end():
        meter.report()
        ws.onmessage = None
        ws.abort()

    if task == "rtt":
        ws.onopen = lambda event: send(body)
    ws.onmessage = echoed if task == "rtt" else received
    return ws


async def measure(*given):
    await start(*given).closed()


def main():
    loop, task, url, size, seconds = sys.argv[1:]
    given = task, url, int(size), Meter(task == "rtt", float(seconds))
    if loop == "own":
        start(*given)
        tightwire.run()
    elif loop == "uvloop":
        import uvloop

        uvloop.run(measure(*given))
    else:
        asyncio.run(measure(*given))


main()
