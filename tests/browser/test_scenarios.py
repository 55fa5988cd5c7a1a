"""The same scenario in headless Chromium, with `tightwire.WebSocket` and with `tw::websocket`, against the same server: the
traces are equal, apart from what differences.json lists, with reasons. A difference that is none any more fails, too."""

import functools
import json
from pathlib import Path

import player
import pytest
import scripted
from ours import play, play_cpp
from steps import CPP_LACKS, IN_CPP, steps

import tightwire

HERE = Path(__file__).resolve().parent
DIFFERENCES = json.loads((HERE / "differences.json").read_text())
PLAYER = (HERE / "player.js").read_text()

# C++ has one number for every argument that is not legal.
ERRC = {
    "InvalidAccessError": "invalid_argument",
    "InvalidStateError": "state",
    "SyntaxError": "invalid_argument",
}


def browser_plays(name):
    """The scenario whose trace in the browser is to be ours in this one."""
    return scripted.SCENARIOS[name].get("browser", {}).get("plays", name)


def like_cpp(entry):
    """An entry of the browser's with what C++ has of it: no binaryType, no origin, one kind of bytes."""
    if entry[0] == "threw":
        return [*entry[:2], ERRC.get(entry[2], entry[2])]
    if entry[0] == "message":
        return [entry[0], "text" if entry[2] == "text" else "bytes", *entry[3:]]
    return entry if entry[0] in ("compared", "fell") else entry[:-1]


def expected(who, name, trace):
    """The browser's trace, with the differences that are meant."""
    for difference in DIFFERENCES:
        if name not in difference["scenarios"] or who not in difference["who"]:
            continue
        if "browser_ends_with" in difference:
            trace = trace[: len(trace) - difference["browser_ends_with"]] + difference["ours_end_with"]
        if difference.get("ours_insert_error_before_close"):
            (at,) = [at for at, entry in enumerate(trace) if entry[0] == "close"]
            trace = [*trace[:at], ["error", *trace[at][4:]], *trace[at:]]
    return trace


def compare(ours, meant, theirs):
    assert ours == meant
    assert meant == theirs or ours != theirs, "differences.json lists a difference that is none"


@pytest.fixture(scope="session")
def traces(server, browser):
    """What the browser does in a scenario, which is asked once."""

    @functools.cache
    def trace(name, tls=False):
        script = f"{PLAYER}({json.dumps(server.scenario(name))}, {json.dumps(server.base(name, tls=tls))})"
        return browser.evaluate(script)

    return trace


def each(names, drivers):
    """Scenarios with their drivers. No driver has a say in what becomes of a URL, so one will do there."""
    pairs = [(name, driver) for name in names for driver in (drivers[:1] if name.startswith("url_") else drivers)]
    return pytest.mark.parametrize(("name", "driver"), pairs)


@each(scripted.SCENARIOS, list(player.DRIVERS))
def test_traces_are_equal(name, driver, server, traces):
    theirs = traces(browser_plays(name))
    compare(play(server, name, driver), expected("python", name, theirs), theirs)


@each(IN_CPP, ["run", "start"])
def test_traces_in_cpp_are_equal(name, driver, server, traces, player_cpp, tmp_path):
    theirs = traces(browser_plays(name))
    ours = play_cpp(server, name, driver, player_cpp, tmp_path)
    compare(ours, [like_cpp(entry) for entry in expected("cpp", name, theirs)], [like_cpp(entry) for entry in theirs])


# What may be otherwise over TLS: each way to open, to end and to fail, long messages, and what waits.
OVER_TLS = [
    "accept_is_wrong", "amounts_fall_as_the_server_reads", "close_while_connecting", "close_with_largest_code_and_reason",
    "echo_bytes_65536", "echo_text_65536", "messages_before_the_close_arrive", "open_and_close", "opened_by_one_write",
    "protocol_agreed", "server_breaks_masked_frame", "server_closes_with_3000", "status_404",
]  # fmt: skip


@pytest.mark.parametrize("driver", list(player.DRIVERS))
@pytest.mark.parametrize("name", OVER_TLS)
def test_traces_over_tls_are_equal(name, driver, server, traces, identity):
    ours = play(server, name, driver, tls=tightwire.TLS(ca=identity.ca))
    theirs = traces(name, tls=True)
    compare(ours, expected("python", name, theirs), theirs)


@pytest.mark.parametrize("driver", ["run", "start"])
@pytest.mark.parametrize("name", OVER_TLS)
def test_traces_over_tls_in_cpp_are_equal(name, driver, server, traces, identity, player_cpp, tmp_path):
    ours, theirs = play_cpp(server, name, driver, player_cpp, tmp_path, identity.ca), traces(name, tls=True)
    compare(ours, [like_cpp(entry) for entry in expected("cpp", name, theirs)], [like_cpp(entry) for entry in theirs])


STRICT = [
    name
    for difference in DIFFERENCES
    if difference.get("ours_insert_error_before_close")
    for name in difference["scenarios"]
]


@pytest.mark.parametrize("driver", list(player.DRIVERS))
@pytest.mark.parametrize("name", STRICT)
def test_strict_events_are_the_standards(name, driver, server, traces):
    assert play(server, name, driver, strict_events=True) == traces(browser_plays(name))


def test_differences_are_of_scenarios_that_exist():
    named = {name for difference in DIFFERENCES for name in difference["scenarios"]}
    assert named <= set(scripted.SCENARIOS)
    assert all(difference["reason"] for difference in DIFFERENCES)
    assert all(set(difference["who"]) <= {"python", "cpp"} and difference["who"] for difference in DIFFERENCES)


def test_only_scenarios_with_steps_that_cpp_lacks_are_left_out_there():
    used = [steps(scripted.SCENARIOS[name]) for name in scripted.SCENARIOS if name not in IN_CPP]
    assert set().union(*used) >= CPP_LACKS, "CPP_LACKS names a step that no scenario has"
    assert len(IN_CPP) > 90


def test_what_the_browser_plays_instead_exists_and_says_why():
    for name, scenario in scripted.SCENARIOS.items():
        if browser_plays(name) != name:
            assert browser_plays(name) in scripted.SCENARIOS and scenario["browser"]["reason"], name
