"""The headers compile in every dialect that a host may use, with gcc and clang, on 64 and 32 bits."""

import itertools

import pytest

from conftest import ROOT, run

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


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("features", [[], ["-fno-exceptions", "-fno-rtti"]], ids=["all", "none"])
def test_the_wrapper_compiles(compiler, features, tmp_path):
    path = source(tmp_path, "wrapper.cpp", "#include <tightwire.hpp>\n#include <tightwire.hpp>\nint none;\n")
    for dialect in CPP[1:]:
        run(compiler, *WARNINGS, *features, f"-std={dialect}", path)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_the_coroutines_compile(compiler, tmp_path):
    path = source(tmp_path, "coroutine.cpp", "#include <tightwire_coroutine.hpp>\n#include <tightwire_coroutine.hpp>\nint none;\n")
    for dialect in ("c++20", "c++2b"):
        run(compiler, *WARNINGS, f"-std={dialect}", path)


def test_two_files_of_a_program_may_include_the_wrapper(tree, tmp_path):
    one = source(tmp_path, "one.cpp", "#include <tightwire.hpp>\nint other();\nint main() { return other(); }\n")
    two = source(tmp_path, "two.cpp", "#include <tightwire.hpp>\nint other() { tw::loop loop; loop.poll(0); return 0; }\n")
    program = tmp_path / "program"
    libdir = tree / "lib"
    run("g++", "-std=c++11", "-I", tree / "include", one, two, "-L", libdir, "-ltightwire", f"-Wl,-rpath,{libdir}", "-o", program)
    run(program)
