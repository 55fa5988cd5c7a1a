"""Runs Autobahn's cases against our programs and compares every verdict with expected.txt.

    run.py [--full] [--case GLOB]... [--jobs N] [--testee 'server|client NAME COMMAND...']...

The engine is kosoku (PyPI), which drives Autobahn's own case files; it speaks no TLS. Most of the time of a
run is the fixed waits of a few cases, so several testees run side by side.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = ROOT / "target" / "release"
REPORTS = ROOT / "target" / "autobahn"
KOSOKU = Path(sys.executable).with_name("kosoku")
# From good to bad. Whatever is further right than the expectation fails the run.
RANK = ["OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "UNCLEAN", "WRONG CODE", "FAILED BY CLIENT", "FAILED"]
LIMIT = 1800


class Testee(NamedTuple):
    role: str
    name: str
    command: list


TESTEES = [
    Testee("server", "rust", [str(BIN / "echo-server"), "--port", "0"]),
    Testee("server", "c", [str(BIN / "echo-server-c"), "--port", "0"]),
    Testee("client", "rust", [str(BIN / "echo-client")]),
    Testee("client", "c", [str(BIN / "echo-client-c")]),
    Testee("client", "python", [sys.executable, str(ROOT / "tests" / "python" / "echo_client.py")]),
]


def expectations(options):
    """For each case of this run the expected verdicts on its messages and on its close."""
    lines = [line.split("\t") for line in (HERE / "expected.txt").read_text().splitlines() if line[0] != "#"]
    chosen = {case: (behavior, close) for case, behavior, close in lines}
    if not options.full:
        chosen = {c: v for c, v in chosen.items() if not c.startswith(("12.", "13."))}
    globs = options.case or ["*"]
    return {c: v for c, v in chosen.items() if any(fnmatch.fnmatchcase(c, g) for g in globs)}


def worse(verdict, bar):
    rank = RANK.index(verdict) if verdict in RANK else len(RANK)
    return rank > RANK.index(bar)


def compare(verdicts, expected):
    """One line for every case that is missing or has a worse verdict than expected."""
    problems = []
    for case, (behavior, close) in expected.items():
        if case not in verdicts:
            problems.append(f"{case}: not run")
            continue
        got = verdicts[case]
        if worse(got["behavior"], behavior) or worse(got["behaviorClose"], close):
            code = got.get("remoteCloseCode")
            problems.append(
                f"{case}: {got['behavior']}, close {got['behaviorClose']} (close code {code});"
                f" expected {behavior}, close {close}"
            )
    return problems


def first_line(pipe, pattern, process):
    for line in pipe:
        if found := re.search(pattern, line):
            return found.group(1)
    raise RuntimeError(f"no {pattern!r} in the output; exit code {process.wait()}")


def selection(options):
    flags = [flag for case in options.case for flag in ("-i", case)]
    return flags if options.full else [*flags, "-x", "12.*", "-x", "13.*"]


def run_server(testee, outdir, options, log):
    """Our server, their fuzzing client."""
    server = subprocess.Popen(testee.command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        port = first_line(server.stdout, r"^(\d+)$", server)
        command = [KOSOKU, f"ws://127.0.0.1:{port}", "-o", outdir, *selection(options)]
        subprocess.run(command, stdout=log, stderr=log, timeout=LIMIT, check=False)
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {server.returncode}")
        server.send_signal(signal.SIGTERM)
        if status := server.wait(20):
            raise RuntimeError(f"the server answered SIGTERM with exit code {status}")
    finally:
        server.kill()


def run_client(testee, outdir, options, log):
    """Our client, their fuzzing server, which ends by itself after the last report."""
    command = [KOSOKU, "-m", "fuzzingserver", "127.0.0.1:0", "-o", outdir, *selection(options)]
    engine = subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True)
    try:
        url = first_line(engine.stderr, r"(ws://[0-9.]+:\d+)", engine)
        status = subprocess.run([*testee.command, url], stdout=log, stderr=log, timeout=LIMIT, check=False).returncode
        if status:
            raise RuntimeError(f"the client ended with exit code {status}")
        engine.wait(60)
    finally:
        engine.kill()


def run(testee, options, expected):
    """The problems of one testee, with the line that sums it up."""
    name = f"{testee.name} {testee.role}"
    outdir = REPORTS / name.replace(" ", "-")
    shutil.rmtree(outdir, ignore_errors=True)
    outdir.mkdir(parents=True)
    began, problems, verdicts = time.monotonic(), [], {}
    with open(outdir / "run.log", "w") as log:
        try:
            (run_server if testee.role == "server" else run_client)(testee, outdir, options, log)
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            problems.append(f"{type(error).__name__}: {error}")
    if (outdir / "index.json").exists():
        (verdicts,) = json.loads((outdir / "index.json").read_text()).values()
    problems += compare(verdicts, expected)
    counts = {rank: sum(v["behavior"] == rank for v in verdicts.values()) for rank in RANK}
    text = ", ".join(f"{n} {rank}" for rank, n in counts.items() if n)
    took = time.monotonic() - began
    return f"{name}: {text or 'nothing'} of {len(expected)} ({took:.0f} s)", problems


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also 12.* and 13.*, compression")
    parser.add_argument("--case", action="append", default=[], metavar="GLOB")
    parser.add_argument("--jobs", type=int, default=max(3, os.cpu_count() or 1))
    parser.add_argument("--testee", action="append", default=[], metavar="'ROLE NAME COMMAND...'")
    return parser.parse_args()


def main():
    options = arguments()
    expected = expectations(options)
    given = [shlex.split(t) for t in options.testee]
    testees = [Testee(role, name, command) for role, name, *command in given] or TESTEES
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(run, t, options, expected) for t in testees]
        for job in concurrent.futures.as_completed(jobs):
            summary, problems = job.result()
            more = [f"and {len(problems) - 30} more"] if len(problems) > 30 else []
            print(summary, *problems[:30], *more, sep="\n    ", flush=True)
            failed += bool(problems)
    if failed:
        print(f"{failed} of {len(testees)} testees are worse than expected; reports in {REPORTS.relative_to(ROOT)}")
        return 1
    print(f"All {len(testees)} testees as expected: {len(expected)} cases each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
