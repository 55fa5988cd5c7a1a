//! The layers know only those below them. (The `limits` script judges lengths, `features` builds.)
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Rust files below a folder of the workspace, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no sources");
    files
}

/// The part of a file in front of its tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

#[test]
fn the_protocol_alone_depends_on_nothing_that_knows_a_socket() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-p", "tightwire", "--no-default-features"])
        .args(["-e", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.starts_with("tightwire "), "{tree}");
    let known = [
        "getrandom",
        "libc",
        "mio",
        "polling",
        "rustix",
        "rustls",
        "rustls-platform-verifier",
        "rustls-webpki",
        "socket2",
        "tokio",
        "url",
    ];
    let found: Vec<_> =
        tree.lines().filter(|line| known.contains(&line.split(' ').next().unwrap())).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn arrows_point_only_downwards() {
    for (layer, above) in [
        ("proto", &["net", "event_loop", "client", "server", "target", "error", "trace"][..]),
        ("net", &["event_loop", "client", "server", "error"]),
    ] {
        for (path, text) in sources(&format!("core/src/{layer}")) {
            for upper in above {
                let name = format!("crate::{upper}");
                let follows =
                    |rest: &str| !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric());
                let used =
                    text.match_indices(&name).any(|(at, _)| follows(&text[at + name.len()..]));
                assert!(!used, "{} uses {name}", path.display());
            }
        }
    }
}

#[test]
fn the_protocol_neither_waits_nor_asks_for_the_time() {
    let forbidden = [
        "TcpStream",
        "TcpListener",
        "std::io",
        "std::thread",
        "std::fs",
        "Instant::now",
        "SystemTime",
    ];
    let sources = sources("core/src/proto").into_iter();
    for (path, text) in
        sources.filter(|(path, _)| !path.components().any(|part| part.as_os_str() == "tests"))
    {
        for name in forbidden {
            assert!(!product(&text).contains(name), "{} uses {name}", path.display());
        }
    }
}

#[test]
fn the_core_forbids_unsafe_code() {
    let library = std::fs::read_to_string(root().join("core/src/lib.rs")).unwrap();
    assert!(library.contains("\n#![forbid(unsafe_code)]\n"));
    for (path, text) in sources("core/src") {
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let found =
            code.filter(|line| line.contains("unsafe ") || line.contains("unsafe{")).count();
        assert_eq!(found, 0, "{} has unsafe code", path.display());
    }
}
