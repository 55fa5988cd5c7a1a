"""The binary interface as text: which symbols there are, where members lie, what constants are.

    abi.py            compares with abi/, and says what changed
    abi.py --update   rewrites abi/layout-*.txt

The header alone decides all of this, so that 32 bits are checked without a library for them. abi/symbols.txt is
written by hand: a function is added to the node of the release that brings it.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "include"
HEADER = INCLUDE / "tightwire.h"
ABI = ROOT / "abi"
MACHINES = {"x86_64": "-m64", "i386": "-m32"}


def text():
    return re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)


def functions():
    return sorted(re.findall(r"^TW_API\s[^;(]*?\b(tw_\w+)\(", text(), re.M))


def constants():
    return re.findall(r"^#define (TW_\w+) \S+$", text(), re.M)


def structures():
    """Each structure with its members, in the order of the header."""
    found = {}
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\n\} (\w+);", text(), re.S):
        members = [member.strip() for member in body.split(";") if member.strip()]
        found[name] = [re.search(r"\(\*(\w+)\)|(\w+)(?:\[\d+\])?$", member) for member in members]
        found[name] = [match[1] or match[2] for match in found[name]]
    return found


def program():
    """A program that prints the layout."""
    lines = ["#include <stdio.h>", "#include <tightwire.h>", "int main(void)", "{"]
    for name, members in structures().items():
        lines.append(f'    printf("{name} %u\\n", (unsigned)sizeof({name}));')
        for member in members:
            size = f"(unsigned)sizeof((({name} *)0)->{member})"
            lines.append(
                f'    printf("  {name}.{member} at %u, %u bytes\\n", (unsigned)offsetof({name}, {member}), {size});'
            )
    lines += [f'    printf("{name} = %lu\\n", (unsigned long){name});' for name in constants()]
    return "\n".join([*lines, "    return 0;", "}", ""])


def layout(flag):
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "layout.c"), Path(folder, "layout")
        source.write_text(program())
        subprocess.run(["gcc", flag, "-I", INCLUDE, source, "-o", made], check=True)
        return subprocess.run([made], check=True, capture_output=True, text=True).stdout


def compare(kept, made):
    """What is wrong with a layout that was `kept` and is now `made`; appending is legal, if it is kept, too."""
    kept, made = kept.splitlines(), made.splitlines()
    gone = [line for line in kept if line not in made and " at " in line or " = " in line and line not in made]
    new = [line for line in made if line not in kept]
    if gone:
        return "the binary interface is broken:\n" + "\n".join(f"  was: {line}" for line in gone)
    if new:
        return "grew; if that is meant, run `make abi-update`:\n" + "\n".join(f"  new: {line}" for line in new)
    return "the order changed; run `make abi-update`" if kept != made else ""


def main():
    wrong = []
    for machine, flag in MACHINES.items():
        path, made = ABI / f"layout-{machine}.txt", layout(flag)
        if "--update" in sys.argv:
            path.write_text(made)
        if problem := compare(path.read_text(), made):
            wrong.append(f"{path.name}: {problem}")
    print("\n".join(wrong) or "ok")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
