"""Every scenario in C, C++ and Python: the same JSON object, and the one that was expected."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from peer import Peer

HERE = Path(__file__).parent
BUILT = HERE.parents[2] / "target" / "c" / "faults"
DRIVERS = {
    "c": [BUILT / "driver-c"],
    "c++": [BUILT / "driver-cpp"],
    "python": [sys.executable, HERE / "driver.py"],
}
SCENARIOS = json.loads((HERE / "scenarios.json").read_text())
# How much later than its deadline a connection may be over, in milliseconds.
LATE = 250


def run(driver, scenario, certificates):
    """How the connection ended; ports, which differ from run to run, are called PORT."""
    peer = Peer(scenario.get("server", []), certificates, scenario.get("deaf", False))
    try:
        places = {"port": peer.port, "ca": certificates.ca}
        url = scenario["url"].format(**places)
        flags = [
            part
            for name, value in scenario.get("options", {}).items()
            for part in (f"--{name}", str(value).format(**places))
        ]
        done = subprocess.run(
            [*map(str, DRIVERS[driver]), url, *flags], capture_output=True, text=True, timeout=60
        )
    finally:
        peer.stop()
    assert done.returncode == 0, f"{driver}: {done.stderr}"
    return json.loads(done.stdout.replace(f":{peer.port}", ":PORT"))


def timed(driver, scenario, certificates):
    """The same, within the deadline. A loaded machine has three chances to be in time."""
    deadline = scenario.get("deadline")
    for chance in range(3):
        ended = run(driver, scenario, certificates)
        took = ended.pop("took")
        if deadline is None or took <= deadline + LATE:
            break
    if deadline is not None:
        assert deadline <= took + 1 and took <= deadline + LATE, f"{driver}: {took} ms"
    return ended


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario["name"] for scenario in SCENARIOS])
def test_fault(scenario, certificates):
    ends = {driver: timed(driver, scenario, certificates) for driver in DRIVERS}
    first = ends["c"]
    for driver, end in ends.items():
        assert end == first, f"{driver} differs from C"
    assert first.pop("descriptors") == 0
    expected = scenario["expect"]
    error = first["error"] or {}
    assert (error.get("phase"), error.get("code"), error.get("kind")) == (
        expected.get("phase"), expected.get("code"), expected.get("kind"),
    ), error
    assert expected.get("text", "") in error.get("text", "")
    assert first["events"] == expected.get("events", ["error", "close"])
    assert (first["code"], first["clean"]) == (expected.get("close", 1006), expected.get("clean", False))
    assert len(error.get("attempts", [])) == expected.get("attempts", 0)
    http = error.get("http") or {}
    assert {name: http.get(name) for name in expected.get("http", {})} == expected.get("http", {})
    if "http" not in expected:
        assert not http
