"""Sorts the sentences of a function's comment: what it does, what it returns, who may call it."""

import re
from dataclasses import dataclass

BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9`*])")
STATUS = re.compile(r"TW_(?:OK|E[A-Z0-9]+)\b")
RETURNS = re.compile(r"Returns (?!at once)|TW_(?:OK|E[A-Z0-9]+)\b|Anything else|The same as for ")
THREADS = re.compile(r"Any thread|Inside the callback|While another thread drives")
# Codes in a row at the beginning of a clause: `TW_EINVAL and TW_EUTF8 as for tw_send`.
LEADING = re.compile(r"(?:TW_(?:OK|E[A-Z0-9]+)\b(?:, and |, | and | or )?)+")
# Where one code's clause ends and another's begins.
CLAUSE = re.compile(r";\s+|,\s+(?:or\s+)?(?=TW_)|,\s+and\s+(?=TW_\w+ (?:for|if|when|while)\b)")
# A summary that is longer ends at an earlier comma.
SHORT = 90


@dataclass
class Sorted:
    description: list[str]
    returns: list[str]
    threads: list[str]


def sentences(paragraph):
    return BREAK.split(paragraph)


def sort(text):
    """The text of a function by subject. What it does stays in its paragraphs."""
    found = Sorted([], [], [])
    for paragraph in text:
        rest = []
        for sentence in sentences(paragraph):
            if THREADS.match(sentence):
                found.threads.append(sentence)
            elif RETURNS.match(sentence):
                found.returns.append(sentence)
            else:
                rest.append(sentence)
        if rest:
            found.description.append(" ".join(rest))
    return found


def clauses(sentence):
    """The parts of a sentence about codes, each as (codes, what it says of them)."""
    if not STATUS.search(sentence):
        yield [], sentence
        return
    before, colon, after = sentence.partition(": ")
    if colon and not STATUS.search(before) and STATUS.match(after):
        yield [], before + "."
        sentence = after
    made = []
    for part in CLAUSE.split(sentence.rstrip(".")):
        codes = STATUS.findall(part)
        if made and not codes:
            made[-1] = (made[-1][0], f"{made[-1][1]}; {part}")
            continue
        lead = LEADING.match(part)
        if lead and len(STATUS.findall(lead.group())) == len(codes):
            part = part[lead.end() :].lstrip(" ,:")
        made.append((list(dict.fromkeys(codes)), part))
    yield from made


def summary(text):
    """The first sentence as what follows a name: no markup, no reference, no full stop."""
    first = sentences(text[0])[0].rstrip(".")
    first = re.sub(r"\s*\((?:RFC|see )[^)]*\)", "", first).replace("`", "")
    first = re.split(r"[:;] ", first)[0]
    if len(first) > SHORT and ", " in first:
        first = re.sub(r",? (?:and|or|which)$", "", first[: first[:SHORT].rindex(", ")])
    word = first.split(" ", 1)[0]
    return first if word.isupper() and len(word) > 1 or "_" in word else first[0].lower() + first[1:]
