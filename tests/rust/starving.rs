//! A system without descriptors. Limits are the process's: each test runs in one of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Log, Peer, Script, request};
use tightwire::{ClientOptions, ErrorCode, EventLoop, Phase, ServerOptions};

/// The name of the test below, for the process that it starts.
const STARVING: &str = "a_listener_without_descriptors_recovers_without_a_new_client";

#[test]
fn a_listener_without_descriptors_recovers_without_a_new_client() {
    // The limit is the process's, so the test runs in one of its own.
    if std::env::var_os("TIGHTWIRE_STARVE").is_some() {
        return starve();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([STARVING, "--exact", "--nocapture", "--test-threads=1"])
        .env("TIGHTWIRE_STARVE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}

fn starve() {
    const CLIENTS: usize = 40;
    // Children cannot be limited without `unsafe`, so the clients are here too: they come first.
    let listener = EventLoop::new().unwrap();
    let mut event_loop = listener;
    let log = Log::default();
    let server =
        event_loop.listen(&ServerOptions::new("127.0.0.1:0").unwrap(), Script::new(&log)).unwrap();
    let port = event_loop.context().server_port(server).unwrap();
    let mut peers: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut peer = Peer::connect(port);
            peer.write(request("/", "localhost", "").as_bytes());
            Some(peer)
        })
        .collect();
    let used = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(used + 10), ..limit }).unwrap();
    let handle = event_loop.handle();
    let cpu = support::now();
    let thread = std::thread::spawn(move || {
        let mut turns = 0u32;
        while !event_loop.take_stop() {
            event_loop.turn(None).unwrap();
            turns += 1;
        }
        turns
    });
    log.wait_for("open", 8);
    let opened = || log.briefs().iter().filter(|brief| *brief == "open").count();
    support::dawdle(std::time::Duration::from_millis(300));
    let first = opened();
    assert!(first < CLIENTS / 2, "{first} clients although descriptors are missing");
    // As clients leave, the others get their turn; nobody new comes.
    for peer in peers.iter_mut().take(first) {
        drop(peer.take());
    }
    let turn_start = support::now();
    support::until("the next ones", || opened() > first);
    let waited = turn_start.elapsed();
    assert!(waited < std::time::Duration::from_secs(2), "{waited:?}");
    setrlimit(Resource::Nofile, limit).unwrap();
    log.wait_for("open", CLIENTS);
    handle.stop();
    let turns = thread.join().unwrap();
    let seconds = cpu.elapsed().as_secs_f64();
    assert!(f64::from(turns) < 400.0 + 100.0 * seconds, "{turns} turns in {seconds} s: it spins");
}

#[test]
fn a_dial_without_descriptors_says_so() {
    if std::env::var_os("TIGHTWIRE_STARVE").is_some() {
        let mut event_loop = EventLoop::new().unwrap();
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).unwrap();
        let null = || std::fs::File::open("/dev/null").ok();
        let files: Vec<_> = std::iter::from_fn(null).collect();
        let log = Log::default();
        let options = ClientOptions::new("ws://127.0.0.1:9/").unwrap();
        event_loop.connect(&options, Script::new(&log)).unwrap();
        assert_eq!(EventLoop::new().unwrap_err().code(), ErrorCode::NoMemory);
        event_loop.run_until_idle().unwrap();
        let error = log.failed();
        assert_eq!(error.phase(), Phase::Tcp, "{error}");
        assert_eq!(error.os_error(), Some(24), "EMFILE: {error}");
        drop(files);
        return setrlimit(Resource::Nofile, limit).unwrap();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["a_dial_without_descriptors_says_so", "--exact", "--test-threads=1"])
        .env("TIGHTWIRE_STARVE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
