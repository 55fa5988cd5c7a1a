//! What the echo server asks of the system, counted by strace.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Authority, BINARY, CLOSE, Peer, TEXT, close_payload, pattern};

const ROUNDS: usize = 200;
/// Calls for accepting, handshakes and the end.
const FEW: usize = 20;

/// An echo server that is traced.
struct Traced {
    strace: Child,
    port: u16,
    trace: PathBuf,
}

/// Whether strace is here and may trace. Without it the test says so, and fails where it must not.
fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let works = tried.is_ok_and(|output| output.status.success());
    if !works {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "strace is missing or may not trace"
        );
        let _ = writeln!(std::io::stderr(), "skipped: strace is missing or may not trace");
    }
    works
}

impl Traced {
    fn start(name: &str, arguments: &[&Path]) -> Self {
        let trace = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.strace"));
        let mut strace = Command::new("strace")
            .args(["-f", "-yy", "-s", "0", "-o"])
            .arg(&trace)
            .arg(env!("CARGO_BIN_EXE_echo-server"))
            .args(["--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(strace.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { strace, port: line.trim().parse().unwrap(), trace }
    }

    /// Ends the server and returns its calls, one in a line.
    fn calls(mut self) -> Vec<String> {
        let id = self.strace.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let server = children.split_whitespace().next().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(server).unwrap(), Signal::TERM).unwrap();
        assert!(self.strace.wait().unwrap().success(), "the server ends with 0");
        std::fs::read_to_string(&self.trace).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Calls of these names on TCP sockets. A line is `pid name(fd<TCP:[..]>, ...`.
fn count(calls: &[String], names: &[&str]) -> usize {
    let is_one = |line: &&String| {
        let call = line.split_whitespace().nth(1).unwrap_or_default();
        names.iter().any(|name| {
            call.strip_prefix(name).is_some_and(|rest| rest.starts_with('('))
                && line.contains("<TCP")
        })
    };
    calls.iter().filter(is_one).count()
}

fn talk<S: Read + Write>(peer: &mut Peer<S>) {
    peer.upgrade();
    for round in 0..ROUNDS {
        let text = format!("round {round}");
        peer.send(TEXT, text.as_bytes());
        peer.expect(TEXT, text.as_bytes());
    }
    // Large ones leave without a copy, in two slices.
    peer.send(BINARY, &pattern(100_000));
    peer.expect(BINARY, &pattern(100_000));
    peer.send(CLOSE, &close_payload(1000, ""));
    peer.expect(CLOSE, &close_payload(1000, ""));
    peer.expect_end();
}

#[track_caller]
fn check(calls: &[String]) {
    let receives = count(calls, &["recvfrom", "recvmsg", "read", "readv"]);
    let sends = count(calls, &["sendto", "sendmsg", "sendmmsg"]);
    let polls = calls.iter().filter(|line| line.contains(" epoll_wait(")).count();
    for (what, calls) in [("receives", receives), ("sends", sends), ("polls", polls)] {
        assert!((ROUNDS..ROUNDS + FEW).contains(&calls), "{calls} {what} in {ROUNDS} rounds");
    }
    // They would raise SIGPIPE in a C program.
    assert_eq!(count(calls, &["write", "writev", "pwrite64", "pwritev", "sendfile", "splice"]), 0);
    let signals = calls.iter().filter(|line| line.contains("sendto(") || line.contains("sendmsg("));
    let unsafe_sends: Vec<_> =
        signals.filter(|l| l.contains("<TCP") && !l.contains("MSG_NOSIGNAL")).collect();
    assert!(unsafe_sends.is_empty(), "{unsafe_sends:?}");
    // The socket is registered once and never again.
    let changes = calls.iter().filter(|line| line.contains("EPOLL_CTL_MOD")).count();
    assert_eq!(changes, 0);
}

#[test]
fn a_round_trip_costs_one_receive_and_one_send() {
    if !can_trace() {
        return;
    }
    let server = Traced::start("ws", &[]);
    let mut peer = Peer::connect(server.port);
    talk(&mut peer);
    drop(peer);
    check(&server.calls());
}

#[test]
fn a_round_trip_over_tls_costs_one_receive_and_one_send() {
    if !can_trace() {
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue(&["localhost"]);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (cert, key) = (folder.join("syscalls-cert.pem"), folder.join("syscalls-key.pem"));
    std::fs::write(&cert, &issued.chain).unwrap();
    std::fs::write(&key, &issued.key).unwrap();
    let server = Traced::start("wss", &[Path::new("--tls"), &cert, &key]);
    let mut peer = secure(&authority, Peer::connect(server.port).stream);
    talk(&mut peer);
    drop(peer);
    check(&server.calls());
}

fn secure(
    authority: &Authority,
    stream: TcpStream,
) -> Peer<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    Peer::on(StreamOwned::new(connection, stream), true)
}
