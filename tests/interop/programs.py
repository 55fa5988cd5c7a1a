"""Starts the programs of tests/README.md, ours and those of other libraries, and speaks to them."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "target" / "release"
NODE = ROOT / "tests" / "node"
PATIENCE = 40

SERVERS = {"rust": [BIN / "echo-server"], "c": [BIN / "echo-server-c"]}
OURS = {
    "rust": [BIN / "talk"],
    "c": [BIN / "talk-c"],
    "python": [sys.executable, ROOT / "tests" / "python" / "talk.py"],
}
THEIRS = {
    "websockets": [sys.executable, ROOT / "tests" / "interop" / "talk_websockets.py"],
    "ws": ["node", NODE / "talk.js"],
}
# Proving the suite itself needs no program of ours: other programs can stand in for them.
for table, variable in (SERVERS, "INTEROP_SERVERS"), (OURS, "INTEROP_CLIENTS"):
    if replaced := os.environ.get(variable):
        table.clear()
        table.update(json.loads(replaced))


def spawn(command, **more):
    command = [str(part) for part in command]
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
    except FileNotFoundError as error:
        raise AssertionError(f"{command[0]} has not been built: run `make build`") from error


class Program:
    """A server that prints its port first and ends with SIGTERM."""

    def __init__(self, command):
        self.process = spawn(command)
        self.port = int(self.process.stdout.readline() or 0)
        assert self.port, f"{command[0]} printed no port; exit code {self.process.wait(PATIENCE)}"

    def stop(self):
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()


class Events(list):
    """What a talk printed."""

    def of(self, *kinds):
        return [e for e in self if e["event"] in kinds]

    @property
    def messages(self):
        return self.of("text", "binary")

    @property
    def error(self):
        errors = self.of("error")
        assert len(errors) == 1, f"expected one error: {self}"
        return errors[0]

    @property
    def close(self):
        closes = self.of("close")
        assert len(closes) == 1, f"expected one close event: {self}"
        assert self[-1] is closes[0], f"the close event must be the last: {self}"
        return closes[0]


class Talk:
    """A talk that is driven line by line."""

    # How long the next event may take, in seconds.
    patience = PATIENCE

    def __init__(self, command, url, *flags):
        self.process = spawn([*command, url, *flags], stderr=subprocess.PIPE, errors="replace")
        self.events, self.lines = Events(), queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.complaints = []
        threading.Thread(target=lambda: self.complaints.extend(self.process.stderr), daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def say(self, *commands):
        try:
            self.process.stdin.write("".join(c + "\n" for c in commands))
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self

    def next(self):
        """The next event, or None at the end."""
        try:
            line = self.lines.get(timeout=self.patience)
        except queue.Empty:
            self.process.kill()
            raise AssertionError(f"nothing came for {self.patience} s after {self.events}") from None
        if line is None:
            return None
        self.events.append(json.loads(line))
        return self.events[-1]

    def until(self, kind):
        while event := self.next():
            if event["event"] == kind:
                return event
        raise AssertionError(f"no {kind}: {self.events} {''.join(self.complaints)}")

    def end(self):
        """All events, once the program has ended."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        while self.next():
            pass
        self.status = self.process.wait(PATIENCE)
        return self.events


def talk(command, url, *flags, say=(), may_reject=()):
    """A whole conversation: its events. The program must end well, and no call in it may have failed at once."""
    talking = Talk(command, url, *flags).say(*say)
    events = talking.end()
    assert talking.status == 0, f"exit code {talking.status}: {events} {''.join(talking.complaints)}"
    rejected = [e for e in events.of("rejected") if e["command"] not in may_reject]
    assert not rejected, f"{rejected} in {events}"
    assert events.close
    return events
