//! A client of a system that has no descriptors left, or no such address.
//!
//! The limit is the whole process's, so this has a program to itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::listen;
use tightwire::{ClientOptions, CloseEvent, ConnId, Context, ErrorCode, EventLoop, Handler, Phase};

#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Option<CloseEvent>>>);

impl Handler for Ended {
    fn on_close(&mut self, _: &mut Context<'_>, _: ConnId, close: &CloseEvent) {
        *self.0.lock().unwrap() = Some(close.clone());
    }
}

fn fail(event_loop: &mut EventLoop, options: &ClientOptions) -> tightwire::Error {
    let ended = Ended::default();
    event_loop.connect(options, ended.clone()).unwrap();
    event_loop.run_until_idle().unwrap();
    let close = ended.0.lock().unwrap().take().unwrap();
    close.error.unwrap()
}

/// Takes every descriptor there is, until it is dropped.
struct Exhausted {
    limit: Rlimit,
    _files: Vec<File>,
}

impl Exhausted {
    fn new() -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).unwrap();
        let files = std::iter::from_fn(|| File::open("/dev/null").ok());
        Self { limit, _files: files.collect() }
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.limit).unwrap();
    }
}

#[test]
fn a_client_without_a_descriptor_is_told_and_goes_on_with_one() {
    let (_listener, port) = listen();
    let options = ClientOptions::new(&format!("ws://127.0.0.1:{port}/")).unwrap();
    let mut event_loop = EventLoop::new().unwrap();
    let exhausted = Exhausted::new();
    let error = fail(&mut event_loop, &options);
    drop(exhausted);
    assert_eq!((error.phase(), error.code()), (Phase::Tcp, ErrorCode::NoMemory), "{error}");
    assert_eq!((error.kind(), error.attempts().len()), ("no_descriptors", 1), "{error}");
    let timeout = Some(std::time::Duration::from_millis(50));
    let tuning = tightwire::Tuning { open_timeout: timeout, ..Default::default() };
    let error = fail(&mut event_loop, &options.tuning(tuning));
    assert_eq!((error.phase(), error.code()), (Phase::Upgrade, ErrorCode::TimedOut), "{error}");
    // 192.0.2.0/24 is for documents (RFC 5737): nobody has such an address.
    let elsewhere = ClientOptions::new(&format!("ws://127.0.0.1:{port}/")).unwrap();
    let error = fail(&mut event_loop, &elsewhere.bind_address("192.0.2.1:0".parse().unwrap()));
    assert_eq!((error.phase(), error.code()), (Phase::Tcp, ErrorCode::Connect), "{error}");
    assert_eq!(error.os_error(), Some(rustix::io::Errno::ADDRNOTAVAIL.raw_os_error()), "{error}");
}
