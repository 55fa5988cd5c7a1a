"""The binary interface is what abi/ says, and nothing else gets out."""

import re
import sys

import pytest

from conftest import ROOT, run

sys.path.insert(0, str(ROOT / "packaging"))
import abi  # noqa: E402
import declarations  # noqa: E402
import released  # noqa: E402

SYMBOLS = (ROOT / "abi" / "symbols.txt").read_text()
HEADER = abi.HEADER.read_text()


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


@pytest.fixture(scope="module")
def made():
    """What each locked file should hold."""
    return dict(abi.locks())


@pytest.mark.parametrize("name", [*(f"layout-{machine}.txt" for machine in abi.MACHINES), "declarations.txt"])
def test_layouts_constants_and_declarations_are_those_of_before(name, made):
    assert not abi.compare((ROOT / "abi" / name).read_text(), made[name])


@pytest.mark.parametrize("was", ["void (*on_log)(void *)", "tw_x: size_t a", "typedef int tw_a", "int tw_f(void)", "TW_A = 1"])
def test_a_declaration_that_is_gone_is_a_break(was):
    assert "broken" in abi.compare(f"tw_x 8\n{was}\n", "tw_x 8\n")


def test_the_comparison_tells_a_break_from_growth():
    kept = "tw_x 8\n  tw_x.a at 0, 8 bytes\nTW_A = 1\n"
    grown = "tw_x 16\n  tw_x.a at 0, 8 bytes\n  tw_x.b at 8, 8 bytes\nTW_A = 1\n"
    assert "grew" in abi.compare(kept, grown)
    assert "broken" in abi.compare(kept, kept.replace("at 0", "at 4"))
    assert "broken" in abi.compare(kept, kept.replace("= 1", "= 2"))
    assert not abi.compare(kept, kept)


def test_every_structure_without_a_size_is_frozen_or_made_by_the_library():
    structures = declarations.parse(HEADER).structures
    sizeless = {one.name for one in structures if one.members[0].name != "size"}
    made_by_us = {one.name for one in structures if "Borrowed: " in " ".join(one.text)}
    assert sizeless == set(declarations.frozen()) | made_by_us


def test_frozen_structures_never_grow():
    assert not declarations.thawed(HEADER)
    grown = changed("  char text[248];\n", "  char text[248];\n  int more;\n")
    assert [line.split()[0] for line in declarations.thawed(grown)] == ["tw_error"]


def changed(before, after):
    """The header with one thing changed."""
    assert HEADER.count(before) == 1, f"{before!r} stands {HEADER.count(before)} times in the header"
    return HEADER.replace(before, after)


@pytest.mark.parametrize("name", released.baselines())
def test_the_interface_is_compatible_with_releases(name):
    assert not released.breaks(released.baselines()[name], HEADER)


def test_this_release_has_its_header():
    assert f"tightwire-{released.version()}.h" in released.baselines()


def test_the_header_of_a_release_that_is_out_is_kept():
    assert released.is_out("0.1", "# Changelog\n\n## [Unreleased]\n\n## [0.1.3] - 2026-01-01\n")
    assert not released.is_out("0.1", "# Changelog\n\n## [Unreleased]\n\n## [0.10.0] - 2026-01-01\n")


BREAKS = {
    "a parameter's type": ("tw_status tw_loop_poll(tw_loop id, int timeout_ms);", "tw_status tw_loop_poll(tw_loop id, long timeout_ms);"),
    "one more parameter": ("tw_status tw_abort(tw_ws ws);", "tw_status tw_abort(tw_ws ws, int how);"),
    "a callback's signature": ("void *user, uint64_t buffered);", "void *user, uint32_t buffered);"),
    "what a callback returns": ("  int64_t (*on_reconnect)", "  int32_t (*on_reconnect)"),
    "a parameter that is a callback": ("tw_status tw_post(tw_loop id, void (*function)(void *user)", "tw_status tw_post(tw_loop id, int (*function)(void *user)"),
    "a member's type": ("  intptr_t listen_fd;", "  int listen_fd;"),
    "a member that is gone": ("  intptr_t listen_fd;\n", ""),
    "a member before others": ("  /* The payload; no NUL follows. Never NULL. */", "  int first;"),
    "what a function returns": ("uint32_t tw_version(void);", "uint64_t tw_version(void);"),
    "a typedef's width": ("typedef uint64_t tw_timer;", "typedef uint32_t tw_timer;"),
    "a function that is gone": ("TW_API tw_status tw_tls_free(tw_tls tls);", ""),
    "a constant": ("#define TW_EUTF8 27", "#define TW_EUTF8 29"),
    "a frozen structure": ("  char text[248];\n", "  char text[248];\n  int more;\n"),
}


@pytest.mark.parametrize("before, after", BREAKS.values(), ids=BREAKS)
def test_a_change_that_breaks_programs_is_found(before, after):
    assert released.breaks(HEADER, changed(before, after))


ADDITIONS = {
    "a function": ("uint32_t tw_version(void);", "uint32_t tw_version(void);\nTW_API int tw_new(void);"),
    "a member at the end": ("  intptr_t listen_fd;\n", "  ptrdiff_t listen_fd;\n  int more;\n"),
    "a constant": ("#define TW_EUTF8 27", "#define TW_EUTF8 27\n#define TW_ENEW 99"),
    "other names of parameters": ("tw_loop id, int timeout_ms", "tw_loop loop, int milliseconds"),
}


@pytest.mark.parametrize("before, after", ADDITIONS.values(), ids=ADDITIONS)
def test_an_addition_breaks_nothing(before, after):
    assert not released.breaks(HEADER, changed(before, after))
