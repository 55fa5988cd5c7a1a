"""A C server and a C client under valgrind: a whole conversation, no error and no leak in either.

Plain `ws`, since the assembly of TLS libraries makes valgrind report what is none. Bigger suites check TLS.
"""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "target" / "release"
VALGRIND = ["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible"]
VALGRIND += ["--errors-for-leak-kinds=definite,indirect", "--error-exitcode=99", "--child-silent-after-fork=yes"]
SCRIPT = """text Grüße
wait message
binary 1048576
wait message
ping x
close 1000 bye
wait close
"""


def main():
    server = subprocess.Popen(
        [*VALGRIND, BIN / "echo-server-c", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = f"ws://127.0.0.1:{server.stdout.readline().strip()}/"
    failed = []
    for script, url in ((SCRIPT, url), ("abort\nwait close\n", url), ("", "ws://127.0.0.1:1/")):
        command = [*VALGRIND, BIN / "talk-c", url]
        done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            failed.append(f"talk-c ended with {done.returncode} after {script!r}:\n{done.stdout[-800:]}{done.stderr}")
    server.send_signal(signal.SIGTERM)
    report = server.communicate(timeout=60)[1]
    if server.returncode != 0:
        failed.append(f"echo-server-c ended with {server.returncode}:\n{report}")
    print("\n".join(failed) or "4 programs ok: no error, no leak")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
