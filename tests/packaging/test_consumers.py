"""Foreign projects build from the installed files alone, by every way that there is, and say hello."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, pkg_config, pkg_config_static, run

HERE = ROOT / "tests" / "packaging"
PROGRAM = HERE / "round_trip.c"
HELLO_CPP = """#include <tightwire.hpp>
#include <cstdio>
int main() { tw::loop loop; loop.poll(0); std::puts("hello"); }
"""


def says_hello(program, tree=None):
    env = {**os.environ, **({"LD_LIBRARY_PATH": str(tree / "lib")} if tree else {})}
    assert run(program, env=env) == "hello\n"


def test_by_pkg_config_against_the_shared_library(tree, tmp_path):
    program = tmp_path / "shared"
    run("gcc", "-std=c99", PROGRAM, *pkg_config(tree, "--cflags", "--libs"), "-o", program)
    says_hello(program, tree)


def test_by_pkg_config_against_the_static_library(tree, tmp_path):
    program = tmp_path / "static"
    run("gcc", "-std=c99", PROGRAM, *pkg_config_static(tree), "-o", program)
    assert "libtightwire" not in run("readelf", "-d", program)
    says_hello(program)


def test_by_a_plain_line_with_the_archive(tree, tmp_path):
    program = tmp_path / "plain"
    line = re.search(r"^cc app\.c (.*libtightwire\.a.*)$", (ROOT / "README.md").read_text(), re.M)[1]
    run("gcc", "-std=c99", PROGRAM, *line.replace("/usr/local", str(tree)).replace("-o app", "").split(), "-o", program)
    says_hello(program)


@pytest.mark.parametrize("target", ["tightwire::tightwire", "tightwire::static"])
def test_by_cmake_from_c(target, tree, tmp_path):
    by_cmake("C", PROGRAM, target, tree, tmp_path)


@pytest.mark.parametrize("target", ["tightwire::tightwire", "tightwire::static"])
def test_by_cmake_from_cpp(target, tree, tmp_path):
    source = tmp_path / "hello.cpp"
    source.write_text(HELLO_CPP)
    by_cmake("CXX", source, target, tree, tmp_path)


def by_cmake(language, source, target, tree, folder):
    """Builds and runs a project of one program."""
    (folder / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.13)\nproject(foreign {language})\nfind_package(tightwire 0.1 REQUIRED)\n"
        f"add_executable(foreign {source})\ntarget_link_libraries(foreign PRIVATE {target})\n"
    )
    build = folder / "build"
    run("cmake", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={tree}")
    run("cmake", "--build", build)
    assert ("libtightwire" in run("readelf", "-d", build / "foreign")) == (target == "tightwire::tightwire")
    says_hello(build / "foreign", tree)


def test_cmake_refuses_a_newer_version(tree, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(foreign C)\nfind_package(tightwire 0.2 REQUIRED)\n"
    )
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={tree}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "compatible" in done.stderr


def test_from_cpp(tree, tmp_path):
    source, program = tmp_path / "hello.cpp", tmp_path / "hello"
    source.write_text(HELLO_CPP)
    run("g++", "-std=c++11", source, *pkg_config(tree, "--cflags", "--libs"), "-o", program)
    says_hello(program, tree)


def test_two_copies_in_one_process_are_two_worlds(tree, library, tmp_path):
    program = tmp_path / "two"
    archive = tree / "lib" / "libtightwire.a"
    libs = pkg_config(tree, "--static", "--libs-only-l")
    libs = [flag for flag in libs if flag != "-ltightwire"]
    run("gcc", "-std=c99", "-I", tree / "include", HERE / "two_copies.c", archive, *libs, "-o", program)
    assert run(program, library) == "ok\n"
