"""The manual pages: complete, clean, and their examples run."""

import re
import subprocess
from pathlib import Path

import examples
import generate
import pytest
import wording
from compiling import run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs/man/examples"
HEADER = ROOT / "include/tightwire.h"
WORD = re.compile(r"[A-Za-z0-9]+")


@pytest.fixture(scope="module")
def manual():
    return generate.manual()


@pytest.fixture(scope="module")
def pages(manual):
    return dict(manual.pages())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("man")
    generate.write(folder)
    return sorted(folder.glob("man*/*"))


def plain(page):
    """The words of a page of roff."""
    return WORD.findall(re.sub(r"\\f.|\\\(..|\\.", " ", page))


def test_every_function_that_the_library_exports_has_a_page(compiler, pages):
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", compiler.library / "libtightwire.so"], capture_output=True, text=True, check=True
    )
    exported = set(re.findall(r" T (tw_\w+)", listed.stdout))
    assert exported
    assert {f"{name}.3" for name in exported} <= set(pages)


def test_every_constant_that_the_compiler_sees_has_a_page(manual):
    dumped = subprocess.run(
        ["gcc", "-dM", "-E", "-x", "c", HEADER], capture_output=True, text=True, check=True
    ).stdout
    seen = set(re.findall(r"^#define (TW_\w+) \d", dumped, re.M))
    assert seen
    assert seen == {constant.name for _, members in manual.groups.values() for constant in members}


def test_everything_public_has_text(manual):
    header = manual.header
    everything = [*header.functions, *header.structures, *header.types, *header.constants]
    everything += [member for structure in header.structures for member in structure.members]
    assert [item.name for item in everything if not item.text] == []


def test_every_member_of_a_structure_is_found(manual):
    for structure in manual.header.structures:
        bare = re.sub(r"/\*.*?\*/", "", structure.source, flags=re.S)
        assert len(structure.members) == bare.count(";") - 1, structure.name


def test_no_word_of_a_comment_is_lost(manual, pages):
    for item in manual.header.functions:
        missing = set(WORD.findall(" ".join(item.text))) - {word for one in plain(pages[f"{item.name}.3"]) for word in (one, one.lower())}
        # What the page says otherwise: the conjunctions of a list.
        assert missing <= {"and", "or"}, f"{item.name} lacks {missing}"


def test_every_code_that_a_comment_names_is_in_the_list_of_codes(manual, pages):
    for item in manual.header.functions:
        page = pages[f"{item.name}.3"]
        listed = page[page.index('.SH "RETURN VALUE"') : page.index(".SH THREADS")]
        named = set(wording.STATUS.findall(" ".join(wording.sort(item.text).returns)))
        tags = set(wording.STATUS.findall(" ".join(re.findall(r"^\.TP\n(.*)$", listed, re.M))))
        assert tags == named, item.name


def test_every_function_says_who_may_call_it(manual):
    assert [item.name for item in manual.header.functions if not wording.sort(item.text).threads] == []


# Functions that give an id or a pointer away, and those that keep a pointer which they got.
HANDED = re.compile(r"\btw_(?:loop|ws|server|timer|tls|str) \*(?:out|value)\b|\bvoid \*user\);$|\btw_send_buf\(")


def test_pages_say_how_long_ids_and_pointers_may_be_used(manual, pages):
    found = [item for item in manual.header.functions if item.returns.endswith("*") or HANDED.search(item.source)]
    assert len(found) >= 16
    assert [item.name for item in found if ".SH LIFETIME" not in pages[f"{item.name}.3"]] == []


def test_pages_say_how_long_what_callbacks_get_may_be_used(pages):
    got = set(re.findall(r"const struct (tw_\w+) \*\w+\);$", HEADER.read_text(), re.M)) - {"tw_error"}
    assert {"tw_msg", "tw_open_ev", "tw_close_ev", "tw_reconnect_ev", "tw_request"} <= got
    assert [name for name in sorted(got) if ".SH LIFETIME" not in pages[f"{name}.3"]] == []


def test_every_function_says_since_when_it_is_there(manual, pages):
    for item in manual.header.functions:
        assert re.search(r"^Since tightwire \d+\.\d+", pages[f"{item.name}.3"], re.M), item.name


def test_every_function_has_an_example_that_calls_it(manual):
    shown = examples.collect(EXAMPLES)
    for item in manual.header.functions:
        code = "\n".join(line for _, lines in shown.get(item.name, []) for line in lines)
        assert f"{item.name}(" in code, f"no part of docs/man/examples shows {item.name}"
    assert set(shown) <= {item.name for item in manual.header.functions}


def test_pages_are_clean_for_mandoc(written):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "all", *written], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr).strip() == ""


def test_pages_are_clean_for_groff(written):
    # All pages in one run: each begins with its own .TH.
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8", "-z", *written], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("source", sorted(EXAMPLES.glob("*.c")), ids=lambda path: path.stem)
def test_example_compiles_and_runs(source, compiler, certificates):
    run(compiler.build(source), cwd=certificates)
