"""What `include/tightwire.h` declares, each item with its comment."""

import re
from dataclasses import dataclass, field

COMMENT = r"/\*(?:(?!\*/).)*\*/"
ITEM = re.compile(
    rf"(?P<comment>{COMMENT}\s*)?"
    r"(?P<item>\#define[ ]TW_\w+[ ][^\n]+"
    r"|typedef[ ]struct[ ]\w+[ ]\{(?:(?!\n\}).)*\n\}[ ]\w+;"
    r"|typedef[ ][^;{]+;"
    r"|TW_API\s[^;]+;)",
    re.S,
)
MEMBER = re.compile(rf"(?P<comment>{COMMENT}\s*)?(?P<item>[^;/]+;)", re.S)
# The name that a declaration declares: a pointer to a function has it in its parentheses.
DECLARED = re.compile(r"\(\*(\w+)\)|(\w+)(?:\[\w+\])?;$")


@dataclass
class Item:
    """A thing with a name, its declaration in C, and paragraphs of text."""

    name: str
    source: str
    text: list[str]


@dataclass
class Structure(Item):
    members: list[Item] = field(default_factory=list)


@dataclass
class Function(Item):
    returns: str = ""
    parameters: list[str] = field(default_factory=list)


@dataclass
class Header:
    rules: list[str]
    constants: list[Item]
    types: list[Item]
    structures: list[Structure]
    functions: list[Function]


def paragraphs(comment):
    """The text of a comment without its stars: one string a paragraph, list items apart."""
    if not comment:
        return []
    inner = comment.strip()[2:-2]
    lines = [re.sub(r"^\s*\*? ?", "", line).rstrip() for line in inner.split("\n")]
    blocks, current = [], []
    for line in lines:
        if (not line or line.startswith("- ")) and current:
            blocks.append(" ".join(current))
            current = []
        if line:
            current.append(line.strip())
    if current:
        blocks.append(" ".join(current))
    return blocks


def declared(source):
    found = DECLARED.search(" ".join(source.split()))
    return found.group(1) or found.group(2)


def structure(name, source, text):
    body = source[source.index("{") + 1 : source.rindex("}")]
    members = [
        Item(declared(one["item"].strip()), " ".join(one["item"].split()), paragraphs(one["comment"]))
        for one in MEMBER.finditer(body)
    ]
    return Structure(name, source, text, members)


def function(source, text):
    flat = " ".join(source.removeprefix("TW_API").split())
    returns, name, arguments = re.fullmatch(r"(.+?)(\w+)\((.*)\);", flat).groups()
    parameters = re.findall(r"\(\*(\w+)\)", arguments)
    plain = re.sub(r"\(\*\w+\)\([^)]*\)", "", arguments)
    parameters += [found for found in re.findall(r"(\w+)\s*(?:,|$)", plain) if found != "void"]
    return Function(name, flat, text, returns.strip(), parameters)


def parse(text):
    """The header, from the text of the file."""
    begin = text.index('extern "C" {')
    header = Header(paragraphs(re.search(COMMENT, text, re.S).group()), [], [], [], [])
    for one in ITEM.finditer(text, begin, text.rindex("#ifdef __cplusplus")):
        item, about = one["item"], paragraphs(one["comment"])
        if item.startswith("#define"):
            header.constants.append(Item(item.split()[1], item, about))
        elif "{" in item:
            header.structures.append(structure(item.split()[2], item, about))
        elif item.startswith("typedef"):
            header.types.append(Item(declared(item), item, about))
        else:
            header.functions.append(function(item, about))
    return header
