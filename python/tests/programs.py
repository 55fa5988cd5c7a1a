"""Programs that end in one way or another, as processes of their own: in Python's development mode, where a warning is an error."""

import os
import subprocess
import sys
import textwrap

from conftest import SECONDS


# In debug mode asyncio tells what took long, which is a matter of the machine.
QUIET = "import logging; logging.getLogger('asyncio').setLevel('ERROR')\n"


def run_program(code, *arguments, strict=True, **environment):
    """Runs a program; what it did. With `strict`, every warning is an error."""
    flags = ["-X", "dev", "-W", "error"] if strict else ["-X", "dev"]
    return subprocess.run(
        [sys.executable, *flags, "-c", QUIET + textwrap.dedent(code), *arguments],
        capture_output=True, text=True, timeout=SECONDS, env=os.environ | environment,
    )  # fmt: skip


def said(done):
    return done.returncode, done.stdout, done.stderr
