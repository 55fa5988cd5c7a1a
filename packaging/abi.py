"""The binary interface as text: where members lie, what constants are, and every declaration.

    abi.py            compares with abi/, and says what changed
    abi.py --update   rewrites abi/layout-*.txt, abi/declarations.txt, and the header of a release that is not out yet

The header alone decides all of this, so that 32 bits are checked without a library for them. Written by hand are
abi/symbols.txt, where a function is added to the node of the release that brings it, and abi/frozen.txt.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import declarations
import released

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "include"
HEADER = INCLUDE / "tightwire.h"
ABI = ROOT / "abi"
MACHINES = {"x86_64": "-m64", "i386": "-m32"}


def functions():
    return sorted(function.name for function in declarations.parse(HEADER.read_text()).functions)


def program():
    """A program that prints the layout."""
    header = declarations.parse(HEADER.read_text())
    lines = ["#include <stdio.h>", "#include <tightwire.h>", "int main(void)", "{"]
    for structure in header.structures:
        name = structure.name
        lines.append(f'    printf("{name} %u\\n", (unsigned)sizeof({name}));')
        for member in structure.members:
            size = f"(unsigned)sizeof((({name} *)0)->{member.name})"
            place = f"(unsigned)offsetof({name}, {member.name})"
            lines.append(f'    printf("  {name}.{member.name} at %u, %u bytes\\n", {place}, {size});')
    lines += [f'    printf("{one.name} = %lu\\n", (unsigned long){one.name});' for one in header.constants]
    return "\n".join([*lines, "    return 0;", "}", ""])


def layout(flag):
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "layout.c"), Path(folder, "layout")
        source.write_text(program())
        subprocess.run(["gcc", flag, "-I", INCLUDE, source, "-o", made], check=True)
        return subprocess.run([made], check=True, capture_output=True, text=True).stdout


def locks():
    """Each file of abi/ that is made from the header, with what it should hold."""
    for machine, flag in MACHINES.items():
        yield f"layout-{machine}.txt", layout(flag)
    yield "declarations.txt", "\n".join(declarations.lines(HEADER.read_text())) + "\n"


def may_go(line):
    """The size of a structure, which grows with its members."""
    return not any(mark in line for mark in (" at ", " = ", "(", ": ", "typedef "))


def compare(kept, made):
    """What is wrong with a text that was `kept` and is now `made`; appending is legal, if it is kept, too."""
    kept, made = kept.splitlines(), made.splitlines()
    gone = [line for line in kept if line not in made and not may_go(line)]
    new = [line for line in made if line not in kept]
    if gone:
        return "the binary interface is broken:\n" + "\n".join(f"  was: {line}" for line in gone)
    if new:
        return "grew; if that is meant, run `make abi-update`:\n" + "\n".join(f"  new: {line}" for line in new)
    return "the order changed; run `make abi-update`" if kept != made else ""


def main():
    update = "--update" in sys.argv
    wrong = declarations.thawed(HEADER.read_text())
    if update:
        wrong += released.update(HEADER.read_text())
    for name, made in locks():
        path = ABI / name
        if update:
            path.write_text(made)
        elif problem := compare(path.read_text(), made):
            wrong.append(f"{name}: {problem}")
    print("\n".join(wrong) or "ok")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
