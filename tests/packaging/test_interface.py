"""The binary interface is what abi/ says, and nothing else gets out."""

import re
import sys

import pytest

from conftest import ROOT, run

sys.path.insert(0, str(ROOT / "packaging"))
import abi  # noqa: E402

SYMBOLS = (ROOT / "abi" / "symbols.txt").read_text()


def test_every_function_of_the_header_has_its_node():
    assert [line.split()[0] for line in SYMBOLS.splitlines()] == abi.functions()


def test_the_shared_library_exports_just_these(library):
    assert run(ROOT / "packaging" / "symbols.sh", library) == SYMBOLS


def test_the_static_library_has_no_other_globals(tree):
    listed = run("nm", "--target=elf64-x86-64", "-g", "--defined-only", tree / "lib" / "libtightwire.a")
    names = re.findall(r"^[0-9a-f]+ \w (\S+)$", listed, re.M)
    assert sorted(names) == abi.functions()


def test_no_symbol_of_rust_or_the_provider_of_tls_leaks(library):
    listed = run("nm", "-D", "--defined-only", library)
    assert not re.search(r" (_ZN|_R|rust_|ring_|aws_lc)", listed)


def test_the_shared_library_needs_the_system_only_and_names_itself(library):
    dynamic = run("readelf", "-d", library)
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    assert set(needed) <= {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}
    assert "[libtightwire.so.0]" in dynamic and "NODELETE" in dynamic and "BIND_NOW" in dynamic
    assert "TEXTREL" not in dynamic


@pytest.mark.parametrize("machine", list(abi.MACHINES))
def test_layouts_and_constants_are_those_of_before(machine):
    kept = (ROOT / "abi" / f"layout-{machine}.txt").read_text()
    assert not abi.compare(kept, abi.layout(abi.MACHINES[machine]))


def test_the_comparison_tells_a_break_from_growth():
    kept = "tw_x 8\n  tw_x.a at 0, 8 bytes\nTW_A = 1\n"
    grown = "tw_x 16\n  tw_x.a at 0, 8 bytes\n  tw_x.b at 8, 8 bytes\nTW_A = 1\n"
    assert "grew" in abi.compare(kept, grown)
    assert "broken" in abi.compare(kept, kept.replace("at 0", "at 4"))
    assert "broken" in abi.compare(kept, kept.replace("= 1", "= 2"))
    assert not abi.compare(kept, kept)


def stub(folder, name, text):
    """A library with these functions, with debugging information."""
    source, made = folder / f"{name}.c", folder / f"lib{name}.so"
    source.write_text(text)
    run("gcc", "-g", "-shared", "-fPIC", source, "-o", made)
    return made


def test_abidiff_finds_what_a_release_must_not_change(tmp_path):
    import subprocess

    before = stub(tmp_path, "before", "struct s { int a; }; int f(struct s *s) { return s->a; } int g(void) { return 0; }")
    after = stub(tmp_path, "after", "struct s { long a; }; long f(struct s *s) { return s->a; }")
    done = subprocess.run(["abidiff", before, after], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "Removed" in done.stdout and "int g()" in done.stdout


def test_the_interface_is_compatible_with_the_last_release(library, tmp_path):
    """Against the stub that the header of the last tag makes: every function that it had is there."""
    tags = run("git", "-C", ROOT, "tag", "--list", "v*", "--sort=-v:refname").split()
    if not tags:
        pytest.skip("there is no release yet")
    header = run("git", "-C", ROOT, "show", f"{tags[0]}:include/tightwire.h")
    released = set(re.findall(r"^TW_API\s[^;(]*?\b(tw_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S), re.M))
    assert released <= set(abi.functions())
