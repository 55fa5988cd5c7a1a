"""What a call of the C++ wrapper means is the same in every dialect, with and without exceptions and run-time types."""

import pytest

from conftest import ROOT, run

DIALECTS = ["c++11", "c++14", "c++17", "c++20", "c++2b"]
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-I", ROOT / "include"]


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("features", [[], ["-fno-exceptions", "-fno-rtti"]], ids=["all", "none"])
def test_each_overload_is_found(compiler, features):
    for dialect in DIALECTS:
        run(compiler, *WARNINGS, *features, f"-std={dialect}", ROOT / "tests" / "c" / "overloads.cpp")


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_each_header_stands_alone(compiler, tmp_path):
    for header in sorted((ROOT / "include").glob("*.hpp")):
        dialect = "c++20" if "coroutine" in header.name else "c++11"
        source = tmp_path / "alone.cpp"
        source.write_text(f"#include <{header.name}>\nint none;\n")
        run(compiler, *WARNINGS, f"-std={dialect}", source)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_the_coroutines_need_no_exceptions(compiler, tmp_path):
    source = tmp_path / "coroutine.cpp"
    source.write_text("#include <tightwire_coroutine.hpp>\nint none;\n")
    run(compiler, *WARNINGS, "-fno-exceptions", "-fno-rtti", "-std=c++20", source)


def test_a_truth_value_is_no_size(tmp_path):
    source = tmp_path / "trap.cpp"
    source.write_text('#include <tightwire.hpp>\nvoid trap(tw::connection c);\nvoid trap(tw::connection c) { c.send("text", true); }\n')
    with pytest.raises(AssertionError, match="deleted"):
        run("g++", *WARNINGS, "-std=c++11", source)
