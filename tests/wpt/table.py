"""Runs the cases and compares docs/wpt.md with what came of them; with --write it writes the file.

    table.py [--write] [ARGUMENT OF PYTEST...]
"""

import difflib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cases

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TABLE = ROOT / "docs" / "wpt.md"

HEAD = """# Web Platform Tests

What browsers' tests of `WebSocket` ask, asked of `tightwire.WebSocket`. The cases are those of the folder `websockets/` of
[Web Platform Tests](https://github.com/web-platform-tests/wpt) by their names. The tests are our own, in `tests/wpt`,
written from what each case is to show; those named "spec text" are of the standard's text alone. The server is
pywebsocket3, which browsers' tests use, too. A case runs on `ws` and on `wss`, which are the variants `default` and `wss`
there, and each time with the library's own loop, in asyncio, on uvloop and in trio. The variant `wpt_flags=h2` is left out:
WebSockets over HTTP/2 are not planned.

Marks: **D** applies to a class that is in no browser; **P** applies in part, the rest being properties of JavaScript or
of a page; **-** does not apply. "over" is empty where the case needs no connection. `make wpt` writes this file, and
`make test-wpt` fails if a result has changed.
"""


def run(arguments):
    """pytest's exit code, and the outcomes and schemes of each case."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", str(HERE), "--results", str(results), *arguments]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        return code, json.loads(results.read_text()) if results.exists() else {}


def result(name, outcomes):
    group = cases.GROUPS[name]
    if group["mark"] == "-":
        return f"does not apply: {group['why']}"
    if outcomes == ["passed"]:
        return f"pass; {group['note']}" if "note" in group else "pass"
    if "fails" in group and "failed" not in outcomes:
        return f"**fails**: {group['fails']}"
    return "**fails**, and nothing says why" if outcomes else "**has no test**"


def lines(results):
    yield HEAD
    told = {name: result(name, results.get(name, [[]])[0]) for name in cases.GROUPS}
    kinds = {"pass": 0, "**fails**": 0, "does not apply": 0}
    for text in told.values():
        kinds[next((kind for kind in kinds if text.startswith(kind)), "**fails**")] += 1
    yield f"{len(told)} cases: {kinds['pass']} pass, {kinds['**fails**']} fail, {kinds['does not apply']} do not apply."
    for area, groups in cases.AREAS.items():
        yield f"\n## {area}\n\n| case | mark | over | result |\n|---|---|---|---|"
        for group in groups:
            for name in group["cases"]:
                schemes = ", ".join(results.get(name, [[], []])[1])
                yield f"| {name} | {group['mark']} | {schemes} | {told[name]} |"


def main():
    arguments = sys.argv[1:]
    write = "--write" in arguments
    code, results = run([argument for argument in arguments if argument != "--write"])
    text = "\n".join(lines(results)) + "\n"
    if write:
        TABLE.write_text(text)
        return code
    committed = TABLE.read_text() if TABLE.exists() else ""
    both = committed.splitlines(), text.splitlines()
    changed = list(difflib.unified_diff(*both, "docs/wpt.md", "this run", lineterm="", n=0))
    if changed:
        print("\n".join(changed), "docs/wpt.md says otherwise: if that is meant, run `make wpt`", sep="\n")
    return code or bool(changed)


if __name__ == "__main__":
    sys.exit(main())
