"""The code of the guides and what its markers say is to be done with it.

A block of C or C++ follows a line `<!-- program: NAME [HOW] -->` (a whole program, which is run) or
`<!-- fragment: SCAFFOLD -->` (compiled in the place of `@fragment@` of that file in `scaffolds`).
"""

import re
from dataclasses import dataclass

BLOCK = re.compile(r"(?:^<!-- (?P<what>program|fragment): (?P<how>[^>]+?) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
SUFFIX = {"c": ".c", "cpp": ".cpp"}


@dataclass
class Block:
    guide: str
    line: int
    what: str | None
    how: list[str]
    suffix: str
    code: str

    def __str__(self):
        return f"{self.guide}:{self.line}"


def blocks(path):
    """The blocks of C and C++ of a guide."""
    text = path.read_text()
    for found in BLOCK.finditer(text):
        if found["language"] in SUFFIX:
            how = (found["how"] or "").split()
            line = text.count("\n", 0, found.start("code"))
            yield Block(path.stem, line, found["what"], how, SUFFIX[found["language"]], found["code"])
