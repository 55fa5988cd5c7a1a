"""The same scenario in headless Chromium, with `tightwire.WebSocket` and with `tw::websocket`, against the same server: the
traces are equal, apart from what differences.json lists, with reasons. A difference that is none any more fails, too."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import player  # noqa: E402
import scripted  # noqa: E402

DIFFERENCES = json.loads((HERE / "differences.json").read_text())
PLAYER = (HERE / "player.js").read_text()
PLAYER_CPP = HERE.parents[1] / "target" / "c" / "browser" / "player-cpp"

# Steps without a counterpart in C++: `tw::websocket` has one callback for each event, and no events of the
# application's. Scenarios with one of them are left out there.
CPP_LACKS = {"listen", "unlisten", "attribute", "dispatch", "prevent"}
# C++ has one number for every argument that is not legal.
ERRC = {
    "InvalidAccessError": "invalid_argument",
    "InvalidStateError": "state",
    "SyntaxError": "invalid_argument",
}


def steps(scenario):
    """The names of the steps of a client."""
    client = scenario["client"]
    return {name for when in client if when not in ("url", "protocols") for step in client[when] for name in step}


IN_CPP = [name for name, scenario in scripted.SCENARIOS.items() if not steps(scenario) & CPP_LACKS]


@pytest.fixture(scope="session")
def server():
    with scripted.Server() as running:
        yield running


@pytest.fixture(scope="session")
def player_cpp():
    if not PLAYER_CPP.exists():
        assert "CI" not in os.environ, f"{PLAYER_CPP} was not built"
        pytest.skip(f"{PLAYER_CPP.name} was left out: Boost.JSON is not installed")
    return PLAYER_CPP


def like_cpp(entry):
    """An entry of the browser's with what C++ has of it: no binaryType, no origin, one kind of bytes."""
    if entry[0] == "threw":
        return [*entry[:2], ERRC[entry[2]]]
    if entry[0] == "message":
        return [entry[0], "text" if entry[2] == "text" else "bytes", *entry[3:]]
    return entry[:-1]


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
    def trace(name):
        scenario, base = scripted.SCENARIOS[name], f"ws://localhost:{server.port}/{name}"
        script = f"{PLAYER}({json.dumps(scenario)}, {json.dumps(base)})"
        return browser.evaluate(script)

    return trace


@pytest.mark.parametrize("driver", list(player.DRIVERS))
@pytest.mark.parametrize("name", list(scripted.SCENARIOS))
def test_traces_are_equal(name, driver, server, traces):
    scenario, base = scripted.SCENARIOS[name], f"ws://localhost:{server.port}/{name}"
    theirs = traces(name)
    ours = player.Player(scenario, base).play(player.DRIVERS[driver])
    compare(json.loads(json.dumps(ours)), expected("python", name, theirs), theirs)


@pytest.mark.parametrize("driver", ["run", "start"])
@pytest.mark.parametrize("name", IN_CPP)
def test_traces_in_cpp_are_equal(name, driver, server, traces, player_cpp):
    scenario, base = HERE / "scenarios" / f"{name}.json", f"ws://localhost:{server.port}/{name}"
    theirs = traces(name)
    played = subprocess.run([player_cpp, scenario, base, driver], capture_output=True, text=True, timeout=60)
    assert played.returncode == 0, played.stderr
    meant = [like_cpp(entry) for entry in expected("cpp", name, theirs)]
    compare(json.loads(played.stdout), meant, [like_cpp(entry) for entry in theirs])


STRICT = [
    name
    for difference in DIFFERENCES
    if difference.get("ours_insert_error_before_close")
    for name in difference["scenarios"]
]


@pytest.mark.parametrize("name", STRICT)
def test_strict_events_are_the_standards(name, server, traces):
    scenario, base = scripted.SCENARIOS[name], f"ws://localhost:{server.port}/{name}"
    ours = player.Player(scenario, base, strict_events=True).play(player.DRIVERS["own loop"])
    assert json.loads(json.dumps(ours)) == traces(name)


def test_differences_are_of_scenarios_that_exist():
    named = {name for difference in DIFFERENCES for name in difference["scenarios"]}
    assert named <= set(scripted.SCENARIOS)
    assert all(difference["reason"] for difference in DIFFERENCES)
    assert all(set(difference["who"]) <= {"python", "cpp"} and difference["who"] for difference in DIFFERENCES)


def test_only_scenarios_with_steps_that_cpp_lacks_are_left_out_there():
    used = [steps(scripted.SCENARIOS[name]) for name in scripted.SCENARIOS if name not in IN_CPP]
    assert set().union(*used) >= CPP_LACKS, "CPP_LACKS names a step that no scenario has"
    assert len(IN_CPP) > 90
