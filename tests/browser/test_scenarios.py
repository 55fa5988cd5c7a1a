"""The same scenario in headless Chromium and with `tightwire.WebSocket`, against the same server: the traces are equal,
apart from what differences.json lists, with reasons. A difference that is none any more fails, too."""

import functools
import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import player  # noqa: E402
import scripted  # noqa: E402

DIFFERENCES = json.loads((HERE / "differences.json").read_text())
PLAYER = (HERE / "player.js").read_text()


@pytest.fixture(scope="session")
def server():
    with scripted.Server() as running:
        yield running


def like_python(entry):
    """An entry of the browser's with the one class of bytes that Python has."""
    return ["bytes" if part in ("blob", "arraybuffer") else part for part in entry]


def expected(name, trace):
    """The browser's trace, with the differences that are meant."""
    for difference in DIFFERENCES:
        if name not in difference["scenarios"]:
            continue
        if "browser_ends_with" in difference:
            trace = trace[: len(trace) - difference["browser_ends_with"]] + difference["python_ends_with"]
        if difference.get("python_inserts_error_before_close"):
            (at,) = [at for at, entry in enumerate(trace) if entry[0] == "close"]
            trace = [*trace[:at], ["error", *trace[at][4:]], *trace[at:]]
    return trace


@pytest.fixture(scope="session")
def traces(server, browser):
    """What the browser does in a scenario, which is asked once."""

    @functools.cache
    def trace(name):
        scenario, base = scripted.SCENARIOS[name], f"ws://localhost:{server.port}/{name}"
        script = f"{PLAYER}({json.dumps(scenario)}, {json.dumps(base)})"
        return [like_python(entry) for entry in browser.evaluate(script)]

    return trace


@pytest.mark.parametrize("driver", list(player.DRIVERS))
@pytest.mark.parametrize("name", list(scripted.SCENARIOS))
def test_traces_are_equal(name, driver, server, traces):
    scenario, base = scripted.SCENARIOS[name], f"ws://localhost:{server.port}/{name}"
    theirs = traces(name)
    ours = player.Player(scenario, base).play(player.DRIVERS[driver])
    ours = [like_python(entry) for entry in ours]
    ours = json.loads(json.dumps(ours))
    meant = expected(name, theirs)
    assert ours == meant
    assert meant == theirs or ours != theirs, "differences.json lists a difference that is none"


def test_differences_are_of_scenarios_that_exist():
    named = {name for difference in DIFFERENCES for name in difference["scenarios"]}
    assert named <= set(scripted.SCENARIOS)
    assert all(difference["reason"] for difference in DIFFERENCES)
