"""Scenarios as our classes play them."""

import json
import subprocess
from pathlib import Path

import player

PLAYER_CPP = Path(__file__).resolve().parents[2] / "target" / "c" / "browser" / "player-cpp"


def play(server, name, driver, **options):
    """The trace of the Python class, as it is in JSON."""
    base = server.base(name, tls="tls" in options)
    return json.loads(json.dumps(player.Player(server.scenario(name), base, **options).play(player.DRIVERS[driver])))


def play_cpp(server, name, driver, program, folder, *ca):
    """The trace of the C++ class."""
    file = folder / "scenario.json"
    file.write_text(json.dumps(server.scenario(name)))
    command = [program, file, server.base(name, tls=bool(ca)), driver, *ca]
    played = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert played.returncode == 0, played.stderr
    return json.loads(played.stdout)
