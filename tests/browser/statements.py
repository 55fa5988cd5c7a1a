"""docs/browser.md: what is said of the browser's class, and the tests that show it in Python and in C++.

    statements.py    writes it anew

statements.json has areas with statements. `says` is one; `scenarios` are played by both classes, as far as the one in C++
has their steps; `python` and `cpp` name more tests, `FILE::NAME`; `not in C++` says why there is none.
"""

import ast
import json
import re
from pathlib import Path

import scripted
from steps import IN_CPP

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "browser.md"
AREAS = json.loads((HERE / "statements.json").read_text())

HEAD = """# The browser's WebSocket

What holds of `tightwire.WebSocket` in Python and of `tw::websocket` in C++, and the tests that show it. Names in italics are
[scenarios](../tests/browser/scenarios): both ends act as one file says, once in headless Chromium, once with each way to drive
our class (those of URLs with one), and the traces are equal (`tests/browser/test_scenarios.py`) but for what
[differences.json](../tests/browser/differences.json) lists with a reason. [Web Platform Tests' cases](wpt.md) have a table of
their own. `python tests/browser/statements.py` writes this file from `statements.json` there, and a test compares it.
"""


def scenario(name):
    return f"*{name}*"


def named(test):
    return f"`{test}`"


def cells(statement):
    """The tests in Python, and in C++ or why there are none."""
    scenarios = statement.get("scenarios", [])
    python = [*map(scenario, scenarios), *map(named, statement.get("python", []))]
    cpp = [scenario(name) for name in scenarios if name in IN_CPP] + [named(test) for test in statement.get("cpp", [])]
    return ", ".join(python), ", ".join(cpp) or f"none: {statement['not in C++']}"


def page():
    yield HEAD
    for area, statements in AREAS.items():
        yield f"## {area}\n\n| what | Python | C++ |\n|---|---|---|"
        for statement in statements:
            python, cpp = cells(statement)
            yield f"| {statement['says']} | {python} | {cpp} |"
        yield ""


def text():
    return "\n".join(page())


def tests_of(file):
    """The names of the tests that a file runs."""
    source = (ROOT / file).read_text()
    if file.endswith(".py"):
        return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    if file.endswith(".rs"):
        return set(re.findall(r"#\[test\]\s*fn (\w+)\(\)", source))
    main = source[source.index("\nint main(") :]
    return set(re.findall(r"^ +(\w+)\(.*\);$", main, re.M))


def missing():
    """Tests and scenarios that are named and are not there."""
    for statements in AREAS.values():
        for statement in statements:
            yield from (name for name in statement.get("scenarios", []) if name not in scripted.SCENARIOS)
            for test in [*statement.get("python", []), *statement.get("cpp", [])]:
                file, name = test.split("::")
                if not (ROOT / file).exists() or name not in tests_of(file):
                    yield test


if __name__ == "__main__":
    PAGE.write_text(text())
