"""Plays a scenario with `tightwire.WebSocket` and yields its trace. player.js is the same in JavaScript."""

import asyncio
import re
import tempfile
import threading
import zlib

import content
import trio
import uvloop

import tightwire


def describe(data):
    if isinstance(data, str):
        # JavaScript counts in UTF-16.
        units = data.encode("utf-16-le")
        return ["text", len(units) // 2, data[:60]]
    kind = {tightwire.Blob: "blob", tightwire.ArrayBuffer: "arraybuffer"}[type(data)]
    size = data.size if kind == "blob" else data.byteLength
    return [kind, size, zlib.crc32(memoryview(data))]


def made(step):
    """What a step sends: text, or bytes in some kind of object."""
    data = content.made(step)
    match step.get("as"):
        case None:
            return bytearray(data) if "bytes" in step else data
        case "view":
            surrounded = bytearray(content.BEFORE) + data + bytes(content.BEHIND)
            return memoryview(surrounded)[content.BEFORE : content.BEFORE + len(data)]
        case "array buffer":
            return tightwire.ArrayBuffer(data)
        case "blob":
            return tightwire.Blob([data])
        case "file":
            # The file lives as long as what was made of it.
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.seek(0)
                return tightwire.Blob.from_file(file)


class Player:
    def __init__(self, scenario, base, **options):
        self.client, self.base = scenario["client"], base
        self.options = {**self.client.get("options", {}), **options}
        self.trace, self.seen, self.listeners = [], {}, {}
        self.when_over = lambda: None

    def amount(self):
        """What waits: exactly, or, where that depends on the system, only whether anything does."""
        amount = self.ws.bufferedAmount
        return "some" if amount and self.client.get("amounts") == "vague" else amount

    def look(self):
        ws = self.ws
        return [ws.readyState, self.amount(), ws.protocol, ws.extensions, ws.binaryType]

    def attempt(self, what, act):
        try:
            act()
        except Exception as error:
            self.trace.append(["threw", what, type(error).__name__])

    def do_send(self, step):
        data = made(step)
        self.attempt("send", lambda: self.ws.send(data))
        if step.get("overwrite"):
            memoryview(data)[:] = b"\xff" * len(data)

    def do_send_value(self, value):
        self.attempt("send", lambda: self.ws.send(value))

    def do_send_nothing(self, _):
        self.attempt("send", lambda: self.ws.send())

    def do_close(self, given):
        self.attempt("close", lambda: self.ws.close(*given))

    def do_look(self, _):
        self.trace.append(["look", *self.look()])

    def do_remember(self, _):
        self.remembered = self.ws.bufferedAmount

    def do_compare(self, _):
        """How what waits compares with what was remembered last."""
        amount = self.ws.bufferedAmount
        compared = "less" if amount < self.remembered else "more" if amount > self.remembered else "equal"
        self.trace.append(["compared", compared])

    def do_fall(self, _):
        """Whether it is no more than that; to be remembered in its place."""
        amount = self.ws.bufferedAmount
        self.trace.append(["fell", amount <= self.remembered])
        self.remembered = amount

    def do_binaryType(self, kind):
        self.ws.binaryType = kind

    def do_listen(self, given):
        type_, name, options = (*given, {})[:3]

        def listener(event):
            self.trace.append(["listener", name, event.type, event.eventPhase, event.isTrusted])

        self.listeners.setdefault(name, listener)
        self.ws.addEventListener(type_, self.listeners[name], **options)

    def do_unlisten(self, given):
        type_, name = given
        self.ws.removeEventListener(type_, self.listeners[name])

    def do_attribute(self, given):
        type_, name = given
        handler = None if name is None else lambda event: self.trace.append(["attribute", name])
        setattr(self.ws, f"on{type_}", handler)

    def do_dispatch(self, given):
        type_, options = (*given, {})[:2]
        done = self.ws.dispatchEvent(tightwire.Event(type_, **options))
        self.trace.append(["dispatched", done, self.ws.readyState])

    def do_prevent(self, given):
        type_, how = given

        def listener(event):
            getattr(event, how)()
            self.trace.append(["called", how, event.defaultPrevented])

        self.ws.addEventListener(type_, listener)

    def perform(self, steps):
        for step in steps or []:
            ((what, given),) = step.items()
            getattr(self, f"do_{what}")(given)

    def react(self, type_):
        self.seen[type_] = self.seen.get(type_, 0) + 1
        self.perform(self.client.get(type_))
        self.perform(self.client.get(f"{type_} {self.seen[type_]}"))

    def on_open(self, event):
        self.trace.append(["open", *self.look()])
        self.react("open")

    def on_message(self, event):
        self.trace.append(["message", re.sub(r"\d+$", "PORT", event.origin), *describe(event.data)])
        self.react("message")

    def on_error(self, event):
        self.trace.append(["error", *self.look()])
        self.react("error")

    def on_close(self, event):
        self.trace.append(["close", event.code, event.reason, event.wasClean, *self.look()])
        self.react("close")

    def play(self, drive):
        """`drive` takes this, has it begin, and returns when nothing is left to do."""
        drive(self)
        self.perform(self.client.get("later"))
        return self.trace

    def begin(self):
        try:
            arguments = [self.client["protocols"]] if "protocols" in self.client else []
            self.ws = tightwire.WebSocket(self.client.get("url", self.base), *arguments, **self.options)
        except Exception as error:
            self.trace.append(["threw", "constructor", type(error).__name__])
            return self.when_over()
        self.trace.append(["made", self.ws.url.replace(self.base, "URL"), *self.look()])
        for type_ in ("open", "message", "error", "close"):
            self.ws.addEventListener(type_, getattr(self, f"on_{type_}"))
        self.ws.addEventListener("close", lambda event: self.when_over())
        self.perform(self.client.get("start"))
        return None


def own_loop(player):
    player.begin()
    tightwire.run()


async def in_asyncio(player):
    over = asyncio.Event()
    player.when_over = over.set
    player.begin()
    await asyncio.wait_for(over.wait(), 30)


async def in_trio(player):
    over = trio.Event()
    player.when_over = over.set
    player.begin()
    with trio.fail_after(30):
        await over.wait()


def own_thread(player):
    over = threading.Event()
    player.when_over = over.set
    with tightwire.Loop() as loop:
        loop.start_thread()
        loop.call(player.begin)
        assert over.wait(30)


DRIVERS = {
    "own loop": own_loop,
    "asyncio": lambda player: asyncio.run(in_asyncio(player)),
    "uvloop": lambda player: uvloop.run(in_asyncio(player)),
    "trio": lambda player: trio.run(in_trio, player),
    "thread": own_thread,
}
