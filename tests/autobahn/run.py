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


# The engine cannot take an uncompressed answer in a case of compression, hence the threshold; and it
# tests all of them only against clients that offer client_no_context_takeover, hence the mode.
SERVER = ["--port", "0", "--deflate-threshold", "0", "--deflate-mode"]
CLIENT = ["--deflate-mode", "shared"]
PYTHON_CLIENT = [sys.executable, str(ROOT / "tests" / "python" / "echo_client.py")]

TESTEES = [
    Testee("server", "rust", [str(BIN / "echo-server"), *SERVER, "dedicated"]),
    Testee("server", "c", [str(BIN / "echo-server-c"), *SERVER, "dedicated"]),
    Testee("client", "rust", [str(BIN / "echo-client"), *CLIENT]),
    Testee("client", "c", [str(BIN / "echo-client-c"), *CLIENT]),
    Testee("client", "python", [*PYTHON_CLIENT, *CLIENT]),
]
# In a full run only, and only the cases of compression.
MORE_TESTEES = [
    Testee("server", "rust-shared", [str(BIN / "echo-server"), *SERVER, "shared"]),
    Testee("server", "rust-parked", [str(BIN / "echo-server"), *SERVER, "parked"]),
    Testee("client", "rust-parked", [str(BIN / "echo-client"), "--deflate-mode", "parked"]),
]
# Without compression 1-7, 9 and 10; of 12 and 13 one case for each kind of message and of offer.
QUICK = [
    *(f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 9, 10)),
    *("12.1.1", "12.1.5", "12.1.11", "12.2.3", "12.3.4", "12.5.5"),
    *(f"13.{offer}.{size}" for offer in range(1, 8) for size in (1, 5, 11)),
]
COMPRESSION = ["12.*", "13.*"]
# These ask for what a client that does not offer client_no_context_takeover never grants.
UNASKED = ["13.2.*", "13.5.*", "13.6.*"]


def any_of(globs, case):
    return any(fnmatch.fnmatchcase(case, glob) for glob in globs)


def expectations(options, testee):
    """For each case of this run the expected verdicts on its messages and on its close."""
    lines = [line.split("\t") for line in (HERE / "expected.txt").read_text().splitlines() if line[0] != "#"]
    chosen = {case: (behavior, close) for case, behavior, close in lines}
    wanted = selection(options, testee)
    chosen = {case: verdict for case, verdict in chosen.items() if any_of(wanted, case)}
    if testee.role == "client" and testee in MORE_TESTEES:
        chosen.update({case: ("UNIMPLEMENTED", "OK") for case in chosen if any_of(UNASKED, case)})
    return chosen


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


def selection(options, testee):
    """The globs of the cases that a testee runs."""
    if options.case:
        return options.case
    if testee in MORE_TESTEES:
        return COMPRESSION
    return ["*"] if options.full else QUICK


def includes(options, testee):
    return [flag for glob in selection(options, testee) for flag in ("-i", glob)]


def run_server(testee, outdir, options, log):
    """Our server, their fuzzing client."""
    server = subprocess.Popen(testee.command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        port = first_line(server.stdout, r"^(\d+)$", server)
        command = [KOSOKU, f"ws://127.0.0.1:{port}", "-o", outdir, *includes(options, testee)]
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
    command = [KOSOKU, "-m", "fuzzingserver", "127.0.0.1:0", "-o", outdir, *includes(options, testee)]
    engine = subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True)
    try:
        url = first_line(engine.stderr, r"(ws://[0-9.]+:\d+)", engine)
        status = subprocess.run([*testee.command, url], stdout=log, stderr=log, timeout=LIMIT, check=False).returncode
        if status:
            raise RuntimeError(f"the client ended with exit code {status}")
        engine.wait(60)
    finally:
        engine.kill()


def run(testee, options):
    """The problems of one testee, with the line that sums it up."""
    expected = expectations(options, testee)
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
    parser.add_argument("--full", action="store_true", help="all of 12.* and 13.*, compression, in every mode")
    parser.add_argument("--case", action="append", default=[], metavar="GLOB")
    parser.add_argument("--jobs", type=int, default=max(3, os.cpu_count() or 1))
    parser.add_argument("--testee", action="append", default=[], metavar="'ROLE NAME COMMAND...'")
    return parser.parse_args()


def main():
    options = arguments()
    given = [shlex.split(t) for t in options.testee]
    testees = [Testee(role, name, command) for role, name, *command in given]
    testees = testees or [*TESTEES, *(MORE_TESTEES if options.full else [])]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(run, t, options) for t in testees]
        for job in concurrent.futures.as_completed(jobs):
            summary, problems = job.result()
            more = [f"and {len(problems) - 30} more"] if len(problems) > 30 else []
            print(summary, *problems[:30], *more, sep="\n    ", flush=True)
            failed += bool(problems)
    if failed:
        print(f"{failed} of {len(testees)} testees are worse than expected; reports in {REPORTS.relative_to(ROOT)}")
        return 1
    print(f"All {len(testees)} testees as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
