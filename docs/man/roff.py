"""Text of the header as roff for the man macros, clean for groff and mandoc."""

import re
import textwrap

from wording import sentences

WIDTH = 76
MARKUP = re.compile(r"\*\*(?P<strong>.+?)\*\*|`(?P<code>[^`]+)`|\b(?P<constant>TW_[A-Z0-9_]+)|\b(?P<name>tw_[a-z0-9_]+)\b")
SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga"}


def literal(text):
    """Characters that stay what they are, as in code."""
    return "".join(SPECIAL.get(char, char) for char in text)


def guarded(line):
    """A line of text that begins like a request, but is none."""
    return r"\&" + line if line.startswith((".", "'")) else line


class Inline:
    """Sets names in type: arguments of this page, and pages there are."""

    def __init__(self, pages=(), own="", arguments=()):
        self.pages, self.own, self.arguments = pages, own, arguments

    def _one(self, found):
        if found["strong"]:
            return rf"\fB{found['strong']}\fP"
        if found["code"]:
            font = "I" if found["code"] in self.arguments else "B"
            return rf"\f{font}{literal(found['code'])}\fP"
        if found["constant"]:
            return rf"\fB{found['constant']}\fP"
        name = found["name"]
        return rf"\fB{name}\fP(3)" if name in self.pages and name != self.own else rf"\fB{name}\fP"

    def line(self, text):
        return MARKUP.sub(self._one, text.replace("\\", r"\e"))

    def paragraph(self, text):
        """Lines of roff: a sentence begins on a line of its own."""
        for sentence in sentences(text):
            for line in textwrap.wrap(self.line(sentence), WIDTH, break_long_words=False, break_on_hyphens=False):
                yield guarded(line)

    def paragraphs(self, texts):
        for at, text in enumerate(texts):
            if text.startswith("- "):
                yield from [r".IP \(bu 2", *self.paragraph(text[2:])]
                continue
            if at:
                yield ".PP"
            yield from self.paragraph(text)


def declaration(source):
    """C as it is, in bold; long lines are folded at a comma."""
    yield ".nf"
    for line in source.split("\n"):
        for part in folded(line):
            yield rf"\fB{literal(part)}\fP" if part.strip() else ""
    yield ".fi"


def folded(line):
    """A line of C in pieces of at most the width: it is cut between arguments, the later ones indented."""
    margin = " " * (len(line) - len(line.lstrip()) + 4)
    pieces = [""]
    # An argument that is a pointer to a function stays in one piece.
    for part in re.findall(r"(?:\(\*\w+\)\([^()]*\)|[^,])+(?:, |,|$)", line) if len(line) > WIDTH else [line]:
        if pieces[-1] and len(pieces[-1]) + len(part.rstrip()) > WIDTH:
            pieces.append(margin)
        pieces[-1] += part
    return [piece.rstrip() for piece in pieces]


def wrapped(text):
    """Plain text as lines."""
    return [guarded(line) for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)]


def code(lines):
    """An example."""
    return [".EX", *(guarded(literal(line)) for line in lines), ".EE"]


def see_also(names):
    """`.BR name (3),` for each name with its section."""
    last = len(names) - 1
    return [f".BR {name} ({section}){'' if at == last else ','}" for at, (name, section) in enumerate(names)]
