"""The headers compile in every dialect that a host may use, with gcc and clang, on 64 and 32 bits."""

import itertools

import pytest

from conftest import ROOT, pkg_config_static, run

WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-I", ROOT / "include"]
C = ["c89", "c99", "c11", "c17", "c2x"]
CPP = ["c++98", "c++11", "c++14", "c++17", "c++20", "c++2b"]
BITS = ["-m64", "-m32"]


def source(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("bits", BITS)
def test_the_header_compiles_as_c(compiler, bits, tmp_path):
    once = source(tmp_path, "once.c", "#include <tightwire.h>\nint none;\n")
    twice = source(tmp_path, "twice.c", "#include <tightwire.h>\n#include <tightwire.h>\nint none;\n")
    for dialect, path in itertools.product(C, (once, twice)):
        run(compiler, *WARNINGS, "-Wstrict-prototypes", "-Wmissing-prototypes", bits, f"-std={dialect}", path)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("bits", BITS)
def test_the_header_compiles_as_cpp(compiler, bits, tmp_path):
    path = source(tmp_path, "twice.cpp", "#include <tightwire.h>\n#include <tightwire.h>\nint none;\n")
    for dialect in CPP:
        run(compiler, *WARNINGS, bits, f"-std={dialect}", path)


WRAPPERS = sorted(path.name for path in (ROOT / "include").glob("*.hpp"))


def dialects(header):
    """Those that a header of the wrapper is for."""
    return CPP[4:] if header == "tightwire_coroutine.hpp" else CPP[1:]


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("flags", [["-m64"], ["-m32"], ["-fno-exceptions", "-fno-rtti"]], ids=" ".join)
def test_the_wrapper_compiles(compiler, flags, tmp_path):
    path = source(tmp_path, "wrapper.cpp", "#include <tightwire.hpp>\n#include <tightwire.hpp>\nint none;\n")
    for dialect in dialects("tightwire.hpp"):
        run(compiler, *WARNINGS, *flags, f"-std={dialect}", path)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("bits", BITS)
def test_the_coroutines_compile(compiler, bits, tmp_path):
    path = source(tmp_path, "coroutine.cpp", "#include <tightwire_coroutine.hpp>\n#include <tightwire_coroutine.hpp>\nint none;\n")
    for dialect in dialects("tightwire_coroutine.hpp"):
        run(compiler, *WARNINGS, bits, f"-std={dialect}", path)


@pytest.mark.parametrize("header", WRAPPERS)
def test_each_header_of_the_wrapper_compiles_alone(header, tmp_path):
    path = source(tmp_path, "alone.cpp", f"#include <{header}>\nint none;\n")
    run("g++", *WARNINGS, f"-std={dialects(header)[0]}", path)


# Two files of one program: what is not inline in a header is there twice.
OTHER = """
{includes}
tw::loop make_loop() {{ return tw::loop(); }}
"""
MAIN = """
{includes}
#include <cstdio>
tw::loop make_loop();
int main()
{{
    tw::loop loop = make_loop();
    loop.poll(0);
    std::puts("hello");
}}
"""


@pytest.mark.parametrize("dialect", ["c++11", "c++20"])
def test_two_files_of_a_program_may_include_the_wrapper(dialect, tree, tmp_path):
    headers = [header for header in WRAPPERS if dialect in dialects(header)]
    includes = "\n".join(f"#include <{header}>" for header in headers)
    files = [source(tmp_path, name, text.format(includes=includes)) for name, text in (("main.cpp", MAIN), ("other.cpp", OTHER))]
    program = tmp_path / "program"
    run("g++", f"-std={dialect}", *files, *pkg_config_static(tree), "-o", program)
    assert run(program) == "hello\n"


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_a_program_without_exceptions_and_types_runs(compiler, tree, tmp_path):
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti"]
    program = tmp_path / "program"
    path = ROOT / "tests" / "packaging" / "round_trip.cpp"
    run(compiler, *flags, path, *pkg_config_static(tree), "-o", program)
    assert run(program) == "hello\n"
