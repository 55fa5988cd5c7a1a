"""What is installed and packed: by make, as a tarball and for Debian; what it needs and how large it is."""

import gzip
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from conftest import PREFIX, ROOT, run

PROGRAM = ROOT / "tests" / "packaging" / "round_trip.c"


def files(folder):
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if not path.is_dir()}


def test_make_install_is_what_the_other_tests_have(tree, tmp_path):
    # Both are made already, and must not be made anew while other tests read them.
    made = ["make", "-o", "package", "-o", "man", "install", f"DESTDIR={tmp_path}", f"PREFIX={PREFIX}", "LIBDIR=lib"]
    run(*made, cwd=ROOT)
    installed = Path(f"{tmp_path}{PREFIX}")
    assert files(installed) == files(tree)
    shown = run("mandoc", "-T", "utf8", installed / "share" / "man" / "man3" / "tw_send.3")
    # Bold type is each letter twice.
    assert "SYNOPSIS" in re.sub(r".\x08", "", shown)


def test_every_function_has_an_installed_page(tree):
    pages = {path.stem for path in (tree / "share" / "man" / "man3").glob("*.3")}
    assert {line.split()[0] for line in (ROOT / "abi" / "symbols.txt").read_text().splitlines()} <= pages


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
    assert {"share/man/man3/tw_send.3", "share/man/man7/tightwire.7"} <= names


@pytest.fixture(scope="module")
def debs():
    """The packages for Debian: the library, and the rest."""
    env = {**os.environ, "DESTDIR": "", "PREFIX": "", "LIBDIR": ""}
    return [ROOT / path for path in run(ROOT / "packaging" / "deb", env=env).split()]


def test_the_debian_packages_hold_what_they_should(debs, tmp_path):
    for package in debs:
        run("dpkg-deb", "--extract", package, tmp_path)
    for page in ("man3/tw_send.3.gz", "man7/tightwire.7.gz"):
        assert gzip.open(tmp_path / "usr" / "share" / "man" / page).read().startswith(b'.\\" Generated')
    multiarch = run("gcc", "-print-multiarch").strip()
    libdir = tmp_path / "usr" / "lib" / multiarch
    program = tmp_path / "program"
    run("gcc", PROGRAM, "-I", tmp_path / "usr" / "include", "-L", libdir, "-ltightwire", "-o", program)
    env = {**os.environ, "LD_LIBRARY_PATH": str(libdir)}
    assert run(program, env=env) == "hello\n"


def asked_of_glibc(library):
    """The versions of the C library whose symbols a library asks for."""
    return [tuple(map(int, found.split("."))) for found in re.findall(r"Name: GLIBC_([\d.]+) ", run("readelf", "-VW", library))]


def test_the_library_runs_on_systems_of_some_years(library):
    """glibc 2.34 is of 2021. What the linker packs would need 2.36, and no symbol tells of it."""
    assert max(asked_of_glibc(library)) <= (2, 34), "built on a system that is too new"
    assert "GLIBC_ABI_DT_RELR" not in run("readelf", "-VW", library)


def test_the_debian_package_asks_for_the_c_library_that_it_needs(debs, library, tmp_path):
    floor = re.search(r"libc6 \(>= ([\d.]+)\)", run("dpkg-deb", "--field", debs[0], "Depends"))[1]
    assert tuple(map(int, floor.split("."))) == max(asked_of_glibc(library))
    # Debian's own judge.
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "control").write_text("Source: tightwire\n\nPackage: libtightwire0\nArchitecture: any\n")
    judged = run("dpkg-shlibdeps", "-O", library, cwd=tmp_path)
    assert f"libc6 (>= {floor})" in judged


def test_the_debian_package_of_a_packed_library_asks_for_glibc_2_36(tmp_path):
    source, packed = tmp_path / "x.c", tmp_path / "libx.so"
    source.write_text("#include <stdio.h>\nvoid *pointers[] = {&pointers, puts};\n")
    run("gcc", "-shared", "-fPIC", source, "-Wl,-z,pack-relative-relocs", "-o", packed)
    assert run(ROOT / "packaging" / "glibc-floor", packed) == "2.36\n"


def test_the_library_is_no_larger_than_promised(library):
    # `make size` checks the others, too, which takes two more builds.
    assert library.stat().st_size <= 4_700_000


def test_a_library_that_is_too_large_is_a_failure(tmp_path):
    """The limits of `make size`, with a build that makes a file of some size."""
    scripts = tmp_path / "packaging"
    scripts.mkdir()
    shutil.copy(ROOT / "packaging" / "size", scripts)
    for name in ("build", "small"):
        build = scripts / name
        build.write_text('#!/bin/sh\nmkdir -p "$PACKAGE" && truncate -s "$SIZE" "$PACKAGE/libtightwire.so"\n')
        build.chmod(0o755)
    for size, status in ((650_000, 0), (650_001, 1)):
        env = {**os.environ, "SIZE": str(size), "CARGO_TARGET_DIR": str(tmp_path)}
        done = subprocess.run([scripts / "size"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == status and done.stdout.count("bytes") == 5
