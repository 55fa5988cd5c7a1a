"""The header's declarations as text: prototypes, signatures of callbacks, members and typedefs, by their types.

Names of parameters are no part of the binary interface and are left out. The order of members is that of the header.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "man"))

import header as reader  # noqa: E402

ABI = ROOT / "abi"
# A pointer to a function: what it returns, its name, its parameters.
POINTER = re.compile(r"(.+?)\(\*(\w*)\)\((.*)\)")


def parse(text):
    return reader.parse(text)


def arguments(text):
    """A list of parameters in pieces; commas within parentheses part nothing."""
    pieces, depth = [""], 0
    for char in text:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += char
    return [piece.strip() for piece in pieces]


def spaced(text):
    """One way to write a type: `struct` only where C++ needs it, one blank, stars at the end."""
    return re.sub(r"\s*\*\s*", " *", re.sub(r"\bstruct (?=tw_)", "", " ".join(text.split()))).replace("* *", "**")


def signature(text, name=""):
    """A declaration without its name, or with the name that it is given here."""
    if pointer := POINTER.fullmatch(text):
        return f"{spaced(pointer[1]).strip()} (*{name})({parameters(pointer[3])})"
    plain = re.fullmatch(r"(.*?)\b\w+((?:\[\w+\])*)", spaced(text))
    return f"{plain[1]}{name}{plain[2]}".strip()


def parameters(text):
    return "void" if text.strip() == "void" else ", ".join(signature(one) for one in arguments(text))


def members(structure):
    return [signature(member.source.rstrip(";"), member.name) for member in structure.members]


def prototype(function):
    of = re.fullmatch(rf"(.+?)\b{function.name}\((.*)\);", function.source)
    returns = spaced(of[1]).strip()
    return f"{returns}{'' if returns.endswith('*') else ' '}{function.name}({parameters(of[2])})"


def lines(text):
    """Every declaration of the header in one line, in the order of its kind and the header."""
    header = parse(text)
    found = [f"typedef {spaced(one.source.removeprefix('typedef').rstrip(';')).strip()}" for one in header.types]
    for structure in header.structures:
        found += [f"{structure.name}: {member}" for member in members(structure)]
    return [*found, *map(prototype, header.functions)]


def constants(text):
    """Names and values, whatever their suffix."""
    return {one.name: one.source.split()[2].rstrip("uU") for one in parse(text).constants}


def frozen():
    """The structures that can never grow, with their members, from abi/frozen.txt."""
    kept = (line.partition(": ") for line in (ABI / "frozen.txt").read_text().splitlines() if not line.startswith("#"))
    return {name: shown.split("; ") for name, _, shown in kept}


def thawed(text):
    """What is wrong with the structures that can never grow, one line each."""
    now = {structure.name: members(structure) for structure in parse(text).structures}
    return [
        f"{name} can never change, since it has no size: {'; '.join(now.get(name, ['it is gone']))}"
        for name, kept in frozen().items()
        if now.get(name) != kept
    ]
