"""Sorts the sentences of a function's comment: what it does, what it returns, who may call it, how long things live."""

import re
from dataclasses import dataclass

BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9`*])")
STATUS = re.compile(r"TW_(?:OK|E[A-Z0-9]+)\b")
RETURNS = re.compile(r"Returns (?!at once)|TW_(?:OK|E[A-Z0-9]+)\b|Anything else|The same as for ")
THREADS = re.compile(r"Any thread|Inside the callback|While another thread drives")
LIFETIME = re.compile(
    r"Borrowed: |The id (?:of|lives|dies|needs|is dead)|(?:The (?:buffer|texts?|value)|What .+?) (?:lives|(?:is|are) valid|may go|has to live)"
    r"|The bytes stay where they are|The one object that is a pointer|The loop owns |Connections and servers that use|Do not write (?:to the buffer )?(?:before|while)"
)
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
    lifetime: list[str]


def sentences(paragraph):
    return BREAK.split(paragraph)


def sort(text):
    """The text of a function by subject. What it does stays in its paragraphs."""
    found = Sorted([], [], [], [])
    for paragraph in text:
        rest = []
        for sentence in sentences(paragraph):
            if THREADS.match(sentence):
                found.threads.append(sentence)
            elif LIFETIME.match(sentence):
                found.lifetime.append(sentence)
            elif RETURNS.match(sentence):
                found.returns.append(sentence)
            else:
                rest.append(sentence)
        if rest:
            found.description.append(" ".join(rest))
    return found


def lifetime(text):
    """The text of a structure or type without the sentences that say how long one may be used, and these."""
    rest, found = [], []
    for paragraph in text:
        others = [one for one in sentences(paragraph) if not LIFETIME.match(one)]
        found += [one for one in sentences(paragraph) if LIFETIME.match(one)]
        rest += [" ".join(others)] if others else []
    return rest, found


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
