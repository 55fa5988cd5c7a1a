"""Headers of releases, against which the present one is compared by `abidiff`.

abi/released/ has one header for each minor version, so that a clone without tags is checked, too. Each is made into
a library of nothing but stubs, since abidiff reads what the compiler says of types.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import declarations

ROOT = Path(__file__).resolve().parents[1]
RELEASED = ROOT / "abi" / "released"


def version():
    """Major and minor version of this tree."""
    return re.search(r'^version = "(\d+\.\d+)\.', (ROOT / "Cargo.toml").read_text(), re.M)[1]


def is_out(version, changelog):
    """Whether the changelog has a release of this minor version, whose header must not be rewritten then."""
    return f"\n## [{version}." in changelog


def update(header):
    """Rewrites the header of the release that this tree becomes, unless it is out, and tells what is wrong with it."""
    path = RELEASED / f"tightwire-{version()}.h"
    if not is_out(version(), (ROOT / "CHANGELOG.md").read_text()):
        path.write_text(header)
    return breaks(path.read_text(), header)


def baselines():
    """What the present header is compared with: name and text of each, the header of the last tag included."""
    found = {path.name: path.read_text() for path in sorted(RELEASED.glob("*.h"))}
    git = ["git", "-C", str(ROOT)]
    listed = subprocess.run([*git, "tag", "--list", "v*", "--sort=-v:refname"], capture_output=True, text=True, check=False)
    for tag in listed.stdout.split()[:1]:
        shown = subprocess.run([*git, "show", f"{tag}:include/tightwire.h"], capture_output=True, text=True, check=True)
        found[tag] = shown.stdout
    return found


def cut(old, new):
    """The new header without members that were appended to structures with a size: abidiff takes them for a break."""
    before = {structure.name: len(structure.members) for structure in declarations.parse(old).structures}
    frozen = declarations.frozen()
    for structure in declarations.parse(new).structures:
        kept = structure.members[: before.get(structure.name)]
        if structure.name not in frozen and len(kept) < len(structure.members):
            body = "".join(f"  {member.source}\n" for member in kept)
            name = structure.name
            new = new.replace(structure.source, f"typedef struct {name} {{\n{body}}} {name};")
    return new


def stub(folder, name, header):
    """A library that has each function of a header, with debugging information and nothing else."""
    place = Path(folder, name)
    place.mkdir()
    (place / "tightwire.h").write_text(header)
    lines = ['#include "tightwire.h"']
    for function in declarations.parse(header).functions:
        body = "" if function.returns == "void" else "return 0;"
        lines.append(f"{function.source.removesuffix(';')} {{ {body} }}")
    (place / "stub.c").write_text("\n".join(lines) + "\n")
    made = place / "libtightwire.so"
    subprocess.run(["gcc", "-g", "-w", "-shared", "-fPIC", place / "stub.c", "-o", made], check=True)
    return made


def breaks(old, new):
    """How a header breaks programs that were compiled with an older one; additions do not."""
    before, after = declarations.constants(old), declarations.constants(new)
    wrong = [f"{name} was {value}" for name, value in before.items() if after.get(name) != value]
    with tempfile.TemporaryDirectory() as folder:
        made = [stub(folder, "old", old), stub(folder, "new", cut(old, new))]
        done = subprocess.run(["abidiff", "--no-added-syms", *made], capture_output=True, text=True, check=False)
    return [*wrong, done.stdout + done.stderr] if done.returncode else wrong
