"""What ends a trio run from within a handler."""

import sys
import threading

import pytest
import trio

from tightwire import WebSocket, _loops


def handler(ws, error):
    def opened(event):
        raise error

    ws.onopen = opened


def coroutine(ws, error):
    async def opened(event):
        await trio.lowlevel.checkpoint()
        raise error

    ws.onopen = opened


def timer(ws, error):
    def late():
        raise error

    _loops.call_later(0, late)


@pytest.fixture(params=[handler, coroutine, timer])
def place(request):
    return request.param


@pytest.fixture(params=[KeyboardInterrupt("enough"), SystemExit(7)], ids=["ctrl-c", "exit"])
def error(request):
    return request.param


async def wait_for_ever(url, place, error):
    ws = WebSocket(url)
    place(ws, error)
    await trio.sleep_forever()


def test_what_ends_the_program_is_raised_in_the_main_task(url, place, error):
    with pytest.raises(type(error)) as caught:
        trio.run(wait_for_ever, url, place, error)
    assert caught.value is error


def test_also_in_a_run_on_another_thread(url, place, error):
    caught = []

    def work():
        try:
            trio.run(wait_for_ever, url, place, error)
        except BaseException as raised:
            caught.append(raised)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught == [error]


def test_a_main_task_that_cannot_be_interrupted_hears_of_it_later(url):
    error, go_on = SystemExit(7), threading.Event()

    async def main():
        ws = WebSocket(url)
        handler(ws, error)
        ws.addEventListener("open", lambda event: go_on.set())
        await trio.to_thread.run_sync(go_on.wait)
        await trio.sleep_forever()

    with pytest.raises(SystemExit) as caught:
        trio.run(main)
    assert caught.value is error


def test_who_exits_when_the_main_task_is_done_is_reported(url, monkeypatch):
    reported = []
    monkeypatch.setattr("sys.unraisablehook", lambda info: reported.append(info.exc_value))
    error = SystemExit(7)

    async def main():
        ws = await WebSocket(url)

        def closed(event):
            raise error

        ws.onclose = closed
        return "done"

    assert trio.run(main) == "done"
    assert reported == [error]


def test_what_else_an_async_handler_raises_is_reported(url, capsys):
    async def main():
        ws = WebSocket(url)
        coroutine(ws, ZeroDivisionError("in a handler"))
        await ws
        ws.close()
        await ws.closed()

    # By the interpreter's own hook, not the one of pytest.
    hook, sys.unraisablehook = sys.unraisablehook, sys.__unraisablehook__
    try:
        trio.run(main)
    finally:
        sys.unraisablehook = hook
    assert "ZeroDivisionError: in a handler" in capsys.readouterr().err
