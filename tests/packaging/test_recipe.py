"""How the library is made and linked: what each file says of it agrees with the others and with the tools."""

import re
import subprocess
import tomllib

from conftest import ROOT, TARGET, run

LIBRARIES = (ROOT / "packaging" / "system-libraries").read_text().split()


def test_the_static_library_needs_what_rustc_says():
    said = (TARGET / "dist" / "native-static-libs").read_text().split()
    # Every compiler adds the C library by itself.
    assert set(said) - {"-lc"} == set(LIBRARIES)


def test_every_text_has_the_same_system_libraries(tree):
    listed = run("git", "-C", ROOT, "grep", "-h", "-e", "-lgcc_s", "--", ":!tests").splitlines()
    found = [re.search(r"-lgcc_s(?: -l\w+)*", line)[0].split() for line in listed]
    assert len(found) >= 3, "the recipe, README.md and docs/embedding.md"
    assert [one for one in found if one != LIBRARIES] == []
    config = (tree / "lib" / "pkgconfig" / "tightwire.pc").read_text()
    assert re.search(r"^Libs.private: (.*)$", config, re.M)[1].split() == LIBRARIES
    cmake = (tree / "lib" / "cmake" / "tightwire" / "tightwire-config.cmake").read_text()
    names = re.search(r'INTERFACE_LINK_LIBRARIES "(.*)"', cmake)[1].split(";")
    assert [f"-l{name}" for name in names] == LIBRARIES


def versions(listed):
    """The version script of these symbols."""
    script = ROOT / "packaging" / "version-script"
    return subprocess.run([script], input=listed, capture_output=True, text=True, check=True).stdout


def test_a_later_release_is_a_node_behind_the_first(tmp_path):
    script = versions("tw_c TIGHTWIRE_0.10\ntw_a TIGHTWIRE_0.1\ntw_b TIGHTWIRE_0.2\ntw_d TIGHTWIRE_0.1\n")
    nodes = re.findall(r"^(TIGHTWIRE_\S+) \{$|^\} ?(\S*);$", script, re.M)
    assert [start or end for start, end in nodes] == [
        "TIGHTWIRE_0.1", "", "TIGHTWIRE_0.2", "TIGHTWIRE_0.1", "TIGHTWIRE_0.10", "TIGHTWIRE_0.2",
    ]  # fmt: skip
    assert script.count("local:") == 1 and script.index("local:") < script.index("TIGHTWIRE_0.2")
    (tmp_path / "script").write_text(script)
    (tmp_path / "x.c").write_text("int tw_a, tw_b, tw_c, tw_d, hidden;\n")
    library = tmp_path / "libx.so"
    run("gcc", "-shared", "-fPIC", tmp_path / "x.c", f"-Wl,--version-script={tmp_path}/script", "-o", library)
    assert run(ROOT / "packaging" / "symbols.sh", library).splitlines() == [
        "tw_a TIGHTWIRE_0.1", "tw_b TIGHTWIRE_0.2", "tw_c TIGHTWIRE_0.10", "tw_d TIGHTWIRE_0.1",
    ]  # fmt: skip


def test_the_version_script_does_not_depend_on_the_order():
    listed = (ROOT / "abi" / "symbols.txt").read_text()
    assert versions(listed) == versions("".join(sorted(listed.splitlines(True), reverse=True)))


def test_cargo_c_is_told_to_install_the_same_names(library, tree):
    """By the rules of cargo-c's README: the number in the name, the folder of headers, the feature that it looks for."""
    manifest = tomllib.loads((ROOT / "ffi-c" / "Cargo.toml").read_text())
    capi = manifest["package"]["metadata"]["capi"]
    assert "capi" in manifest["features"]
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert capi["library"]["version"] == version
    number = ".".join(version.split(".")[: capi["library"]["version_suffix_components"]])
    assert f"[lib{capi['library']['name']}.so.{number}]" in run("readelf", "-d", library)
    assert capi["header"]["generation"] is False and capi["header"]["subdirectory"] is False
    [asset] = capi["install"]["include"]["asset"]
    assert "to" not in asset
    headers = {path.name for path in (ROOT / "ffi-c").glob(asset["from"])}
    assert headers == {path.name for path in (tree / "include").iterdir()}
    assert (tree / "lib" / "pkgconfig" / f"{capi['pkg_config']['filename']}.pc").exists()
