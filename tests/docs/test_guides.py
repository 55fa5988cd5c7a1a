"""The guides: every block of code compiles, whole programs run, names and links exist."""

import re
import signal
import subprocess
from pathlib import Path

import generate
import guides
import pytest
from compiling import TIMEOUT, run

ROOT = Path(__file__).resolve().parents[2]
SCAFFOLDS = Path(__file__).parent / "scaffolds"
GUIDES = sorted((ROOT / "docs").glob("*.md"))
BLOCKS = [block for path in GUIDES for block in guides.blocks(path)]


def of(what, how=None):
    chosen = [block for block in BLOCKS if block.what == what and (how is None or how in block.how[1:])]
    return pytest.mark.parametrize("block", chosen, ids=str)


def build(block, compiler, tmp_path):
    source = tmp_path / f"{block.guide}_{block.how[0]}{block.suffix}"
    source.write_text(block.code)
    return compiler.build(source)


def answering(server):
    """A running server and its port, which it prints in its first line."""
    process = subprocess.Popen([server, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    return process, re.search(r"port (\d+)", process.stdout.readline())[1]


def test_every_block_of_code_says_how_it_is_checked():
    assert BLOCKS
    assert [str(block) for block in BLOCKS if block.what is None] == []


@of("fragment")
def test_fragment_compiles(block, compiler, tmp_path):
    scaffold = SCAFFOLDS / f"{block.how[0]}{block.suffix}"
    source = tmp_path / f"fragment{block.suffix}"
    source.write_text(scaffold.read_text().replace("@fragment@", block.code))
    compiler.check(source, "-Wno-unused-function")


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.what == "program" and not one.how[1:]], ids=str)
def test_program_runs(block, compiler, tmp_path):
    run(build(block, compiler, tmp_path))


@of("program", "asks")
def test_client_talks_to_the_server_of_its_guide(block, compiler, tmp_path):
    wanted = next(one for one in BLOCKS if one.guide == block.guide and one.how[0] == block.how[2])
    process, port = answering(build(wanted, compiler, tmp_path))
    try:
        told = run(build(block, compiler, tmp_path), f"ws://127.0.0.1:{port}/")
        assert "hello" in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("guide", [*GUIDES, ROOT / "README.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(guide):
    text = re.sub(r"^```.*?^```$", "", guide.read_text(), flags=re.M | re.S)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text):
        file = (guide.parent / target) if target else guide
        assert file.exists(), f"{guide.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{guide.name} links to #{anchor}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_names_in_guides_are_those_of_the_header(guide):
    manual = generate.manual()
    known = {constant.name for constant in manual.header.constants} | set(manual.items)
    # A family, `TW_TLS_...` or `tw_buf_*`, is named by its beginning.
    used = set(re.findall(r"\b(tw_[a-z][a-z0-9_]*|TW_[A-Z0-9_]+)\b(?!\.\.\.|\*|\()", guide.read_text()))
    used |= set(re.findall(r"\b(tw_[a-z][a-z0-9_]*)\(", guide.read_text()))
    assert used - known - {"tw_"} == set()


def test_the_table_of_who_may_call_names_every_function():
    table = (ROOT / "docs/threads-and-lifetimes.md").read_text()
    section = table[table.index("## Who may call what") :]
    section = section[: section.index("\n## ", 3)]
    named = set(re.findall(r"tw_[a-z0-9_]+", section))
    assert {function.name for function in generate.manual().header.functions} <= named
