"""Every example builds from the installed files alone, by each way to link, as its first lines say, and works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, pkg_config, pkg_config_static, run

EXAMPLES = sorted([*(ROOT / "examples" / "c").glob("*.c"), *(ROOT / "examples" / "cpp").glob("*.cpp")])
# A peer of theirs.
ECHO = ROOT / "tests" / "c" / "echo_server.c"
LINE = re.compile(r"^(?: \*|//) +(?:cc|c\+\+) (.*)$", re.M)


def program(source):
    """The name that the tests of the examples know a program by."""
    if source == ECHO:
        return "echo-server-c"
    return source.stem + ("-cpp" if source.suffix == ".cpp" else "")


def recipe(source):
    """The standard that an example asks for, and its packages beside tightwire."""
    line = LINE.search(source.read_text())
    standard = line and re.search(r"-std=(\S+)", line[1])
    packages = line and re.search(r"pkg-config --cflags --libs tightwire ?([^)]*)\)", line[1])
    return (standard[0] if standard else "", packages[1].split() if packages else [])


def by_pkg_config(flags, folder):
    for source in [*EXAMPLES, ECHO]:
        run(ROOT / "tests" / "scripts" / "example", source, folder / program(source), *flags)


def shared_by_pkg_config(tree, folder):
    by_pkg_config([*pkg_config(tree, "--cflags", "--libs"), f"-Wl,-rpath,{tree}/lib"], folder)


def static_by_pkg_config(tree, folder):
    by_pkg_config(pkg_config_static(tree), folder)


def by_cmake(target, tree, folder):
    lines = [
        "cmake_minimum_required(VERSION 3.13)",
        "project(examples C CXX)",
        "find_package(tightwire 0.1 REQUIRED)",
        "find_package(Threads REQUIRED)",
        "find_package(PkgConfig REQUIRED)",
    ]
    for source in [*EXAMPLES, ECHO]:
        standard, packages = recipe(source)
        if missing(source, packages):
            continue
        name = program(source)
        libraries = [target, "Threads::Threads"]
        for package in packages:
            lines.append(f"pkg_check_modules({name}_more REQUIRED IMPORTED_TARGET {package})")
            libraries.append(f"PkgConfig::{name}_more")
        lines += [
            f"add_executable({name} {source})",
            f"target_compile_options({name} PRIVATE {standard} -fPIC)",
            f"target_link_libraries({name} PRIVATE {' '.join(libraries)})",
        ]
    (folder / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    run("cmake", "-S", folder, "-B", folder, f"-DCMAKE_PREFIX_PATH={tree}")
    run("cmake", "--build", folder)


def missing(source, packages):
    """Whether an example needs what is not installed."""
    boost = "#include <boost/" in source.read_text() and not Path("/usr/include/boost/asio.hpp").exists()
    return boost or any(subprocess.run(["pkg-config", "--exists", one], check=False).returncode for one in packages)


def shared_by_cmake(tree, folder):
    by_cmake("tightwire::tightwire", tree, folder)


def static_by_cmake(tree, folder):
    by_cmake("tightwire::static", tree, folder)


WAYS = [shared_by_pkg_config, static_by_pkg_config, shared_by_cmake, static_by_cmake]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("build", WAYS, ids=lambda way: way.__name__)
def test_examples_work(build, tree, tmp_path):
    build(tree, tmp_path)
    for source in EXAMPLES:
        made = tmp_path / program(source)
        if missing(source, recipe(source)[1]):
            assert "CI" not in os.environ, f"{source.name} could not be built"
            continue
        assert ("libtightwire" in run("readelf", "-d", made)) == build.__name__.startswith("shared")
    env = {**os.environ, "EXAMPLES_DIR": str(tmp_path), "ECHO_SERVER": str(tmp_path / program(ECHO))}
    # A run of its own: nothing of this one, such as its distribution over processes, is to reach it.
    for name in [name for name in env if name.startswith("PYTEST_")]:
        del env[name]
    tests = ROOT / "tests" / "hosts" / "test_examples.py"
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", tests, env=env)
