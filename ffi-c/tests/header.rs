//! `include/tightwire.h` is what cbindgen makes of `src/`. `UPDATE=1` rewrites it; without it both
//! are compared, and the header is compiled in every dialect.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the header, which is up to date, or rewritten if that was asked for.
fn include() -> PathBuf {
    static CHECKED: Once = Once::new();
    let folder = package().join("../include");
    CHECKED.call_once(|| {
        if env::var_os("UPDATE").is_some() {
            fs::write(folder.join("tightwire.h"), generate()).unwrap();
        }
    });
    folder
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Compares a committed file with what it should be, or rewrites it.
fn compare(path: &Path, made: &str) {
    if env::var_os("UPDATE").is_some() {
        fs::write(path, made).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(committed, made, "{} is stale: run `make header`", path.display());
}

/// Comments as people write them: short ones on one line, no word on Rust's safety (what those
/// sections say stands in the texts already).
fn with_plain_comments(header: &str) -> String {
    let mut made = String::new();
    let mut comment: Option<Vec<&str>> = None;
    for line in header.lines() {
        let trimmed = line.trim();
        match (&mut comment, trimmed) {
            (None, "/*") => comment = Some(Vec::new()),
            (Some(lines), "*/") => {
                let indent = " ".repeat(line.len() - trimmed.len() - 1);
                made.push_str(&plain_comment(&indent, lines));
                comment = None;
            }
            (Some(lines), text) => lines.push(text),
            (None, _) => writeln!(made, "{}", line.trim_end()).unwrap(),
        }
    }
    made
}

fn plain_comment(indent: &str, lines: &[&str]) -> String {
    let end = lines.iter().position(|line| *line == "# Safety").unwrap_or(lines.len());
    let mut lines = &lines[..end];
    while let [rest @ .., ""] = lines {
        lines = rest;
    }
    match lines {
        [line] if line.len() + indent.len() < 100 => format!("{indent}/* {line} */\n"),
        [first, rest @ ..] => {
            let mut text = format!("{indent}/* {first}\n");
            for line in rest {
                text.push_str(format!("{indent} * {line}").trim_end());
                text.push('\n');
            }
            text + indent + " */\n"
        }
        [] => String::new(),
    }
}

/// Flags and times are unsigned in C too; statuses, levels and what else is stored in signed members is not.
fn with_unsigned_constants(header: &str) -> String {
    let signed = ["TW_E", "TW_OK", "TW_STR_", "TW_LOG_"];
    let mut made = String::new();
    for line in header.lines() {
        let constant = line.strip_prefix("#define ").and_then(|rest| rest.split_once(' '));
        let unsigned = constant.is_some_and(|(name, value)| {
            value.parse::<u32>().is_ok() && !signed.iter().any(|prefix| name.starts_with(prefix))
        });
        writeln!(made, "{line}{}", if unsigned { "u" } else { "" }).unwrap();
    }
    made
}

/// cbindgen takes the type for a difference of pointers: both are `isize` here.
fn with_handles(header: &str) -> String {
    header.replace("ptrdiff_t", "intptr_t")
}

fn generate() -> String {
    let config = cbindgen::Config::from_file(package().join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_crate(package()).with_config(config).generate();
    let mut made = Vec::new();
    bindings.unwrap().write(&mut made);
    let plain = with_plain_comments(&String::from_utf8(made).unwrap());
    with_handles(&with_unsigned_constants(&plain))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_header_is_what_the_source_says() {
    compare(&include().join("tightwire.h"), &generate());
}

#[test]
fn every_function_tells_what_it_returns_and_which_threads_may_call_it() {
    let header = generate();
    for (at, _) in header.match_indices("\nTW_API") {
        let comment_at = header[..at].rfind("/*").unwrap();
        let comment = &header[comment_at..at];
        let name = header[at..].split('(').next().unwrap();
        assert!(comment.trim_end().ends_with("*/"), "{name} has no documentation");
        let threads = comment.contains("thread");
        assert!(threads, "{name} does not say which threads may call it");
    }
}

#[test]
fn the_header_compiles_in_every_dialect() {
    let source = scratch("includes_twice.c");
    fs::write(&source, "#include <tightwire.h>\n#include <tightwire.h>\nint none;\n").unwrap();
    let warnings = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"];
    for dialect in ["c89", "c99", "c11", "c17"] {
        let mut gcc = Command::new("gcc");
        gcc.args(warnings).args(["-Wstrict-prototypes", "-x", "c"]).arg(format!("-std={dialect}"));
        run(gcc.arg("-I").arg(include()).arg(&source));
    }
    for dialect in ["c++98", "c++11", "c++14", "c++17", "c++20"] {
        let mut gxx = Command::new("g++");
        gxx.args(warnings).args(["-x", "c++"]).arg(format!("-std={dialect}"));
        run(gxx.arg("-I").arg(include()).arg(&source));
    }
}

#[test]
fn the_wrapper_compiles_in_every_dialect() {
    let source = scratch("includes_wrapper.cpp");
    fs::write(&source, "#include <tightwire.hpp>\n#include <tightwire.hpp>\nint none;\n").unwrap();
    for dialect in ["c++11", "c++14", "c++17", "c++20"] {
        for features in [&[][..], &["-fno-exceptions", "-fno-rtti"]] {
            let mut gxx = Command::new("g++");
            gxx.args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]).args(features);
            run(gxx.arg(format!("-std={dialect}")).arg("-I").arg(include()).arg(&source));
        }
    }
}
