"""Writes the manual pages: generate.py FOLDER. The text is that of include/tightwire.h."""

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import examples  # noqa: E402
import header  # noqa: E402
from pages import Manual  # noqa: E402


def releases():
    """The release that each function came with: its version node, `TIGHTWIRE_0.1`, in the library."""
    lines = (ROOT / "abi/symbols.txt").read_text().splitlines()
    return {name: node.rpartition("_")[2] for name, node in map(str.split, lines)}


def manual():
    """The manual of this tree. Its date is SOURCE_DATE_EPOCH or today."""
    moment = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(int(moment), UTC) if moment else datetime.now(UTC)
    version = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    return Manual(
        header.parse((ROOT / "include/tightwire.h").read_text()),
        examples.collect(HERE / "examples"),
        (HERE / "tightwire.txt").read_text(),
        releases(),
        version,
        f"{day:%Y-%m-%d}",
    )


def write(folder):
    """One folder a section, as `man -M` wants them. Pages that are no longer made go away."""
    made = manual()
    count = 0
    for section in ("man3", "man7"):
        (folder / section).mkdir(parents=True, exist_ok=True)
        for old in (folder / section).glob("*.[37]"):
            old.unlink()
    for name, text in made.pages():
        (folder / f"man{name[-1]}" / name).write_text(text)
        count += 1
    return count


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]))} pages in {sys.argv[1]}")
