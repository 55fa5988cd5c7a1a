"""Foreign projects build from the installed files alone, by every way that there is, and say hello."""

import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, run

HERE = ROOT / "tests" / "packaging"
PROGRAM = HERE / "round_trip.c"
EXAMPLES = sorted([*(ROOT / "examples" / "c").glob("*.c"), *(ROOT / "examples" / "cpp").glob("*.cpp")])


def pkg_config(tree, *options):
    """What pkg-config says of the tree, which is not where it will be."""
    env = {**os.environ, "PKG_CONFIG_PATH": str(tree / "lib" / "pkgconfig")}
    return run("pkg-config", f"--define-variable=prefix={tree}", *options, "tightwire", env=env).split()


def says_hello(program, tree=None):
    env = {**os.environ, **({"LD_LIBRARY_PATH": str(tree / "lib")} if tree else {})}
    assert run(program, env=env) == "hello\n"


def test_by_pkg_config_against_the_shared_library(tree, tmp_path):
    program = tmp_path / "shared"
    run("gcc", "-std=c99", PROGRAM, *pkg_config(tree, "--cflags", "--libs"), "-o", program)
    says_hello(program, tree)


def test_by_pkg_config_against_the_static_library(tree, tmp_path):
    program = tmp_path / "static"
    flags = pkg_config(tree, "--static", "--cflags", "--libs")
    flags = ["-l:libtightwire.a" if flag == "-ltightwire" else flag for flag in flags]
    run("gcc", "-std=c99", PROGRAM, *flags, "-o", program)
    assert "libtightwire" not in run("readelf", "-d", program)
    says_hello(program)


def test_by_a_plain_line_with_the_archive(tree, tmp_path):
    program = tmp_path / "plain"
    line = re.search(r"^cc app\.c (.*libtightwire\.a.*)$", (ROOT / "README.md").read_text(), re.M)[1]
    run("gcc", "-std=c99", PROGRAM, *line.replace("/usr/local", str(tree)).replace("-o app", "").split(), "-o", program)
    says_hello(program)


@pytest.mark.parametrize("target", ["tightwire::tightwire", "tightwire::static"])
def test_by_cmake(target, tree, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(foreign C)\nfind_package(tightwire 0.1 REQUIRED)\n"
        f"add_executable(foreign {PROGRAM})\ntarget_link_libraries(foreign PRIVATE {target})\n"
    )
    build = tmp_path / "build"
    run("cmake", "-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={tree}")
    run("cmake", "--build", build)
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
    source.write_text('#include <tightwire.hpp>\n#include <cstdio>\nint main() { tw::loop l; l.poll(0); std::puts("hello"); }\n')
    run("g++", "-std=c++11", source, *pkg_config(tree, "--cflags", "--libs"), "-o", program)
    says_hello(program, tree)


def test_two_copies_in_one_process_are_two_worlds(tree, library, tmp_path):
    program = tmp_path / "two"
    archive = tree / "lib" / "libtightwire.a"
    libs = pkg_config(tree, "--static", "--libs-only-l")
    libs = [flag for flag in libs if flag != "-ltightwire"]
    run("gcc", "-std=c99", "-I", tree / "include", HERE / "two_copies.c", archive, *libs, "-o", program)
    assert run(program, library) == "ok\n"


@pytest.mark.parametrize("source", EXAMPLES, ids=lambda path: path.name)
def test_an_example_builds_from_the_installed_files(source, tree, tmp_path):
    wanted = re.search(r"pkg-config [^`)]*?--libs ([\w. +-]+)", source.read_text())
    more = wanted[1].replace("tightwire", "").split() if wanted else []
    for package in more:
        if subprocess.run(["pkg-config", "--exists", package], check=False).returncode:
            pytest.skip(f"{package} is not installed")
    if "boost/" in source.read_text() and not Path("/usr/include/boost/asio.hpp").exists():
        pytest.skip("Boost is not installed")
    compiler = ["gcc", "-std=gnu11"] if source.suffix == ".c" else ["g++", "-std=c++17", "-fPIC"]
    flags = run("pkg-config", "--cflags", "--libs", *more).split() if more else []
    run(*compiler, source, *flags, *pkg_config(tree, "--cflags", "--libs"), "-lpthread", "-o", tmp_path / "example")


def test_uninstalling_leaves_nothing(tmp_path):
    env = {**os.environ, "DESTDIR": str(tmp_path), "PREFIX": PREFIX, "LIBDIR": "lib/somewhere"}
    run(ROOT / "packaging" / "install", env=env)
    assert (tmp_path / PREFIX[1:] / "lib" / "somewhere" / "pkgconfig" / "tightwire.pc").exists()
    run(ROOT / "packaging" / "install", "--uninstall", env=env)
    assert not [path for path in tmp_path.rglob("*") if not path.is_dir()]


def test_the_tarball_is_the_same_each_time():
    env = {**os.environ, "DESTDIR": "", "PREFIX": "/usr/local", "LIBDIR": "lib"}
    made = [ROOT / run(ROOT / "packaging" / "dist", env=env).strip()]
    first = made[0].read_bytes()
    run(ROOT / "packaging" / "dist", env=env)
    assert made[0].read_bytes() == first
    with tarfile.open(made[0]) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"include/tightwire.h", "lib/libtightwire.a", "lib/libtightwire.so.0", "lib/pkgconfig/tightwire.pc"} <= names


def test_the_debian_packages_hold_what_they_should(tmp_path):
    env = {**os.environ, "DESTDIR": "", "PREFIX": "", "LIBDIR": ""}
    runtime, development = run(ROOT / "packaging" / "deb", env=env).split()
    for package in (runtime, development):
        run("dpkg-deb", "--extract", ROOT / package, tmp_path)
    assert "Depends: libc6" in run("dpkg-deb", "--info", ROOT / runtime)
    multiarch = run("gcc", "-print-multiarch").strip()
    libdir = tmp_path / "usr" / "lib" / multiarch
    program = tmp_path / "program"
    run("gcc", PROGRAM, "-I", tmp_path / "usr" / "include", "-L", libdir, "-ltightwire", "-o", program)
    env = {**os.environ, "LD_LIBRARY_PATH": str(libdir)}
    assert run(program, env=env) == "hello\n"


def test_the_library_is_no_larger_than_promised(library):
    assert library.stat().st_size <= 4_700_000
