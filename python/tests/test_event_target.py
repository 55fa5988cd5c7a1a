"""EventTarget and Event by themselves, as the DOM standard has them."""

import gc
import time
import weakref

import pytest

from tightwire import AbortController, Event, EventTarget, InvalidStateError


def recorder(seen, name):
    return lambda event: seen.append(name)


def test_it_can_be_made_and_subclassed():
    class Clock(EventTarget):
        def __init__(self, name):
            self.name = name

    clock = Clock("noon")
    seen = []
    clock.addEventListener("tick", lambda event: seen.append(event.target.name))
    assert clock.dispatchEvent(Event("tick")) and seen == ["noon"]
    with pytest.raises(TypeError):
        EventTarget(1)


def test_listeners_with_capture_come_first():
    target, seen = EventTarget(), []
    target.addEventListener("x", recorder(seen, "up"))
    target.addEventListener("x", recorder(seen, "down"), capture=True)
    target.addEventListener("x", recorder(seen, "up too"), {"capture": False})
    target.addEventListener("x", recorder(seen, "down too"), True)
    target.dispatchEvent(Event("x"))
    assert seen == ["down", "down too", "up", "up too"]


def test_stop_propagation_spares_the_way_up():
    target, seen = EventTarget(), []
    target.addEventListener("x", recorder(seen, "up"))
    target.addEventListener("x", lambda event: event.stopPropagation(), capture=True)
    target.addEventListener("x", recorder(seen, "down"), capture=True)
    target.dispatchEvent(Event("x"))
    assert seen == ["down"]
    # It is over with the dispatch.
    target.removeEventListener("x", None)
    event = Event("x")
    target.dispatchEvent(event)
    target.dispatchEvent(event)
    assert seen == ["down"] * 3


def test_a_listener_added_on_the_way_down_is_called_on_the_way_up():
    target, seen = EventTarget(), []
    up = recorder(seen, "up")
    target.addEventListener("x", lambda event: target.addEventListener("x", up), capture=True)
    target.dispatchEvent(Event("x"))
    assert seen == ["up"]


def test_a_passive_listener_cannot_prevent():
    target = EventTarget()
    target.addEventListener("x", lambda event: event.preventDefault(), passive=True)
    assert target.dispatchEvent(Event("x", cancelable=True))
    target.addEventListener("x", lambda event: event.preventDefault())
    assert not target.dispatchEvent(Event("x", cancelable=True))
    assert target.dispatchEvent(Event("x"))


@pytest.mark.parametrize("form", ["keyword", "dict"])
def test_a_signal_removes_listeners(form):
    controller, target, seen = AbortController(), EventTarget(), []
    options = {"signal": controller.signal}
    for name in ("first", "second"):
        if form == "dict":
            target.addEventListener("x", recorder(seen, name), options)
        else:
            target.addEventListener("x", recorder(seen, name), **options)
    target.dispatchEvent(Event("x"))
    controller.abort()
    target.dispatchEvent(Event("x"))
    assert seen == ["first", "second"]
    target.addEventListener("x", recorder(seen, "late"), signal=controller.signal)
    target.dispatchEvent(Event("x"))
    assert seen == ["first", "second"]


def test_a_signal_removes_only_what_was_registered_with_it():
    controller, target, seen = AbortController(), EventTarget(), []
    listener = recorder(seen, "x")
    target.addEventListener("x", listener, signal=controller.signal)
    target.removeEventListener("x", listener)
    target.addEventListener("x", listener)
    controller.abort()
    target.dispatchEvent(Event("x"))
    assert seen == ["x"]


def test_a_signal_keeps_neither_target_nor_listener():
    controller, target = AbortController(), EventTarget()

    def listener(event):
        pass

    gone = [weakref.ref(target), weakref.ref(listener)]
    target.addEventListener("x", listener, signal=controller.signal)
    del target, listener
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    controller.abort()


def test_what_is_no_signal_is_refused():
    with pytest.raises(TypeError, match="AbortSignal expected, not int"):
        EventTarget().addEventListener("x", print, signal=1)
    with pytest.raises(TypeError, match="AbortSignal expected, not EventTarget"):
        EventTarget().addEventListener("x", print, {"signal": EventTarget()})


def test_what_a_listener_raises_is_reported_and_the_others_are_called(unraisable):
    target, seen = EventTarget(), []
    target.addEventListener("x", lambda event: 1 // 0)
    target.addEventListener("x", recorder(seen, "next"))
    assert target.dispatchEvent(Event("x"))
    assert seen == ["next"] and [type(error) for error in unraisable] == [ZeroDivisionError]


def test_beside_a_host_it_is_told(host):
    async def late(event):
        raise KeyError("late")

    async def main():
        target = EventTarget()
        target.addEventListener("x", lambda event: 1 // 0)
        target.addEventListener("x", late)
        target.dispatchEvent(Event("x"))
        while len(host.reported) < 2:
            await host.sleep(0)

    host.run(main)
    assert [type(error) for error in host.reported] == [ZeroDivisionError, KeyError]


def test_what_ends_the_program_leaves_dispatch_event():
    target, seen = EventTarget(), []

    def stop(event):
        raise KeyboardInterrupt

    target.addEventListener("x", stop)
    target.addEventListener("x", recorder(seen, "next"))
    event = Event("x")
    with pytest.raises(KeyboardInterrupt):
        target.dispatchEvent(event)
    assert seen == ["next"] and event.eventPhase == Event.NONE


def test_attributes_of_events():
    target, seen = EventTarget(), []
    before = time.monotonic() * 1000
    event = Event("x", bubbles=True)
    after = time.monotonic() * 1000
    # The clocks are compared once, when the module is imported.
    assert before - 1 <= event.timeStamp <= after + 1
    assert (event.target, event.currentTarget, event.eventPhase) == (None, None, 0)
    assert (event.bubbles, event.cancelable, event.composed, event.isTrusted) == (True, False, False, False)
    target.addEventListener(
        "x",
        lambda event: seen.append((event.target, event.currentTarget, event.composedPath(), event.eventPhase)),
    )
    target.dispatchEvent(event)
    assert seen == [(target, target, [target], Event.AT_TARGET)]
    assert (event.target, event.currentTarget, event.composedPath()) == (target, None, [])


def test_an_event_is_dispatched_once_at_a_time():
    target, seen = EventTarget(), []

    def again(event):
        try:
            target.dispatchEvent(event)
        except InvalidStateError as error:
            seen.append(error.code)

    target.addEventListener("x", again)
    target.dispatchEvent(Event("x"))
    assert seen == [11]


def test_decorator_and_snake_case():
    target, seen = EventTarget(), []

    @target.on("x")
    def listener(event):
        seen.append(event.type)

    target.add_event_listener("y", listener)
    target.dispatch_event(Event("x"))
    target.dispatch_event(Event("y"))
    target.remove_event_listener("x", listener)
    target.dispatch_event(Event("x"))
    assert seen == ["x", "y"]
