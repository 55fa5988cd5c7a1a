"""Random scripts for both ends, played by the classes in Python and in C++: what holds whatever happens.

A script is what its seed makes of it. RANDOM_SEED is the first one (1), RANDOM_SCRIPTS how many there are (40) for each driver.
"""

import json
import os
import random

import player
import pytest
from ours import play, play_cpp

FIRST = int(os.environ.get("RANDOM_SEED", "1"))
COUNT = int(os.environ.get("RANDOM_SCRIPTS", "40"))
WHENS = ["start", "open", "message", "message 2", "error", "close", "later"]
# Where the state is in an entry of a trace.
STATE = {"made": 2, "open": 1, "look": 1, "error": 1, "close": 4}


def data(pick):
    size = pick.choice([0, 1, 125, 126, 65535, 65536, 200_000])
    kinds = [{"bytes": size}, {"bytes": size, "as": "view"}, {"bytes": size, "as": "blob"}, {"text": "ä", "times": size}]
    return pick.choice([*kinds, {"text": "words"}, {"bytes": size, "overwrite": True}])


def client_step(pick):
    closes = [[], [1000], [3000, "enough"], [4999, "x" * 123], [1001], [999], [3000, "x" * 124]]
    return pick.choice(
        [
            {"send": data(pick)}, {"send": data(pick)}, {"close": pick.choice(closes)}, {"look": None},
            {"binaryType": pick.choice(["blob", "arraybuffer", "other"])},
        ]
    )  # fmt: skip


def lawful_step(pick):
    """What a server may do at any time before its Close frame."""
    text = {"opcode": "text", "text": "grüße", "times": pick.choice([0, 1, 30, 10_000])}
    return pick.choice(
        [
            {"frame": text}, {"frame": text}, {"frame": {"opcode": "binary", "bytes": pick.choice([0, 3, 70_000])}},
            {"frame": {"opcode": "ping", "text": "?"}}, {"frame": {"opcode": "pong", "text": "!"}}, {"wait": "read"},
        ]
    )  # fmt: skip


def goodbye(pick):
    return {"frame": {"opcode": "close", "code": pick.choice([1000, 1000, 1001, 3000, 4999, 1005]), "reason": "bye"}}


def any_step(pick):
    """Anything at all, whether or not it may come now."""
    broken = ["", "81", "8181000000", "c10178", "83034c4f4c", "8900", "8a00", "880203e7", "8801ff", "8102c328", "0101", "827f"]
    return pick.choice(
        [
            lawful_step(pick), lawful_step(pick), goodbye(pick), {"raw": pick.choice(broken)},
            {"frame": {"opcode": "text", "text": "part", "fin": False}}, {"frame": {"opcode": "continuation", "text": "more"}},
        ]
    )  # fmt: skip


def is_short(step):
    """Whether it is quickly sent byte by byte."""
    frame = step.get("frame", {})
    return frame.get("times", 1) < 100 and frame.get("bytes", 0) < 100


def script(seed):
    """A scenario. The server ends it in any case; in two of three it keeps the rules until then."""
    pick = random.Random(seed)
    step = pick.choice([lawful_step, lawful_step, any_step])
    opening = [{"accept": {}}]
    if pick.random() < 0.2:
        answers = ["HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "nonsense\r\n\r\n", ""]
        opening = [pick.choice([{"http": pick.choice(answers)}, {"accept_but_for_a_letter": 3}, {"accept": {"Upgrade": None}}])]
    steps = opening + [step(pick) for _ in range(pick.randrange(7))]
    if pick.random() < 0.3:
        pieces = pick.choice(["one_write", "byte_by_byte"])
        steps = [{pieces: [step for step in steps if "wait" not in step and (pieces == "one_write" or is_short(step))][:4]}]
    client = {when: [client_step(pick) for _ in range(pick.randrange(3))] for when in WHENS}
    ending = pick.choice([[goodbye(pick), {"end": None}], [goodbye(pick), {"end": None}], [{"end": None}], [{"reset": None}]])
    return {"server": [*steps, *ending], "client": client}


def assert_lawful(trace):
    kinds = [entry[0] for entry in trace if entry[0] in ("made", "open", "message", "error", "close")]
    assert kinds[0] == "made" and kinds[-1] == "close"
    assert [kinds.count(kind) for kind in ("made", "close")] == [1, 1]
    assert kinds.count("open") <= 1 and kinds.count("error") <= 1
    assert "open" in kinds or "message" not in kinds
    assert "message" not in kinds or kinds.index("open") < kinds.index("message")
    assert "error" not in kinds or kinds[-2] == "error"
    states = [entry[STATE[entry[0]]] for entry in trace if entry[0] in STATE]
    assert states == sorted(states) and set(states) <= {0, 1, 2, 3} and (states[0], states[-1]) == (0, 3)


def check(server, seed, how):
    """Plays the script of a seed, which a failure tells."""
    name = f"random_{seed}"
    server.scenarios[name] = script(seed)
    trace = how(name)
    try:
        assert_lawful(trace)
    except AssertionError as error:
        error.add_note(f"RANDOM_SEED={seed} RANDOM_SCRIPTS=1: {json.dumps(server.scenarios[name])}\n{json.dumps(trace)}")
        raise
    finally:
        del server.scenarios[name]
    return trace


def seeds(place, places):
    """Each driver has scripts of its own."""
    return range(FIRST + place, FIRST + COUNT * places, places) if COUNT > 1 else [FIRST]


def assert_varied(traces):
    """The control: the scripts do lead to different ends."""
    if COUNT >= 40:
        codes = {entry[1] for trace in traces for entry in trace if entry[0] == "close"}
        assert {1000, 1006} <= codes and len(codes) > 2
        assert any(entry[0] == "message" for trace in traces for entry in trace)


@pytest.mark.parametrize("driver", list(player.DRIVERS))
def test_states_rise_and_close_comes_once_and_last(driver, server):
    places = list(player.DRIVERS)
    chosen = seeds(places.index(driver), len(places))
    assert_varied([check(server, seed, lambda name: play(server, name, driver)) for seed in chosen])


@pytest.mark.parametrize("driver", ["run", "start"])
def test_states_rise_and_close_comes_once_and_last_in_cpp(driver, server, player_cpp, tmp_path):
    chosen = seeds(["run", "start"].index(driver), 2)

    def how(name):
        return play_cpp(server, name, driver, player_cpp, tmp_path)

    assert_varied([check(server, seed, how) for seed in chosen])
