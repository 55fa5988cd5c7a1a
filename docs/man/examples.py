"""The parts of the example programs that the pages show."""

import re
import textwrap

# `/* example: tw_send tw_ping */` up to `/* end */`, each on a line of its own.
PART = re.compile(r"^[ \t]*/\* example: (?P<names>[a-z0-9_ ]+) \*/\n(?P<code>.*?)^[ \t]*/\* end \*/$", re.S | re.M)


def collect(folder):
    """For each function the parts of programs that show it: (file name, lines)."""
    found = {}
    for path in sorted(folder.glob("*.c")):
        for part in PART.finditer(path.read_text()):
            lines = textwrap.dedent(part["code"]).rstrip().split("\n")
            for name in part["names"].split():
                found.setdefault(name, []).append((path.name, lines))
    return found
