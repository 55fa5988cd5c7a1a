"""Talks on the hosts of a network, with the time of each event, and what the system knows of their sockets."""

import collections
import fcntl
import os
import sys
import termios
import threading
import time
from pathlib import Path

import programs

HERE = Path(__file__).resolve().parent
SERVE = [sys.executable, HERE / "serve.py"]
SLEEPER = [sys.executable, HERE / "sleeper.py"]
NAMESERVER = [sys.executable, HERE / "nameserver.py"]
LISTENING = "0A"


class Timed(programs.Talk):
    """Each event has the time at which it came, `at`."""

    # Silence counts as death after 40 s, and a callback here takes 60 s.
    patience = 75

    def __init__(self, *arguments):
        self.arrivals = collections.deque()
        super().__init__(*arguments)

    def _read(self):
        for line in self.process.stdout:
            self.arrivals.append(time.monotonic())
            self.lines.put(line)
        self.lines.put(None)

    def next(self):
        event = super().next()
        if event:
            event["at"] = self.arrivals.popleft()
        return event

    def said(self):
        """The data of the next text message."""
        return self.until("text")["data"]

    def assert_alive(self):
        """Another message comes back, and nothing went wrong before or does in the end."""
        self.say("text awake")
        while self.said() != "awake":
            pass
        events = self.end()
        assert not events.of("error", "rejected"), events
        assert (events.close["code"], events.close["clean"]) == (1000, True), events


class Unheard(Timed):
    """A talk whose output nobody reads for a while: printing then blocks, and the callback with it."""

    def __init__(self, *arguments):
        self.listening = threading.Event()
        self.listening.set()
        super().__init__(*arguments)
        fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, 4096)

    def _read(self):
        for line in self.process.stdout:
            self.listening.wait()
            self.arrivals.append(time.monotonic())
            self.lines.put(line)
        self.lines.put(None)

    def is_stuck(self):
        """Whether output waits for its reader."""
        waiting = fcntl.ioctl(self.process.stdout, termios.FIONREAD, bytes(4))
        return int.from_bytes(waiting, sys.byteorder) > 0


def until(condition, seconds=30):
    """Waits for what nobody reports."""
    deadline = time.monotonic() + seconds
    while not (met := condition()):
        assert time.monotonic() < deadline, f"{condition} did not hold within {seconds} s"
        time.sleep(0.03)
    return met


def sockets(pid, protocol="tcp"):
    """States of the sockets that a process holds, besides those that listen, as the kernel's tables have them."""
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(os.readlink(descriptor))
        except FileNotFoundError:  # closed meanwhile
            pass
    rows = []
    for table in protocol, f"{protocol}6":
        rows += [row.split() for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
    return [row[3] for row in rows if f"socket:[{row[9]}]" in held and row[3] != LISTENING]
