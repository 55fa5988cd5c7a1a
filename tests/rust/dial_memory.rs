//! What connections that fail while they are opened leave behind: not a byte and not a descriptor.
//!
//! The allocator counts, so this has a program to itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::TcpListener;
use std::time::Duration;

use support::{Authority, Peer, listen};
use tightwire::{Auth, ClientOptions, EventLoop, Handler, Proxy, Reconnect, Tuning};

thread_local! {
    /// Bytes that this thread allocated and did not free.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    // Fails at the end of a thread only.
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(0)
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller keeps the rules.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: the caller keeps the rules.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Nothing;

impl Handler for Nothing {}

/// What a client is told to do, and what it meets.
struct Fault {
    name: &'static str,
    client: Box<dyn Fn(u16) -> ClientOptions>,
    /// What is answered to each connection after its first bytes; `None`: nothing at all.
    answers: Vec<Option<String>>,
}

/// Without a deadline: one that is not needed any more stays in the loop's heap until it is due.
fn to(url: &str) -> ClientOptions {
    let tuning = Tuning { open_timeout: None, ..Tuning::default() };
    ClientOptions::new(url).unwrap().tuning(tuning)
}

fn plain(port: u16) -> ClientOptions {
    to(&format!("ws://127.0.0.1:{port}/"))
}

fn impatient(options: ClientOptions) -> ClientOptions {
    let open_timeout = Some(Duration::from_millis(20));
    options.tuning(Tuning { open_timeout, ..Tuning::default() })
}

fn through(scheme: &str, port: u16) -> ClientOptions {
    let proxy = Proxy::new(&format!("{scheme}://me:secret@127.0.0.1:{port}")).unwrap();
    to("ws://127.0.0.2:9/").proxy(proxy)
}

fn faults() -> Vec<Fault> {
    let fault = |name, client: Box<dyn Fn(u16) -> ClientOptions>, answers: &[&str]| Fault {
        name,
        client,
        answers: answers.iter().map(|answer| Some((*answer).to_owned())).collect(),
    };
    let silent = |name, client| Fault { name, client, answers: vec![None] };
    let refusal = "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno";
    let moved = "HTTP/1.1 301 Moved\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n";
    let challenge = "HTTP/1.1 401 Who\r\nWWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n\"\r\n\
        Content-Length: 0\r\n\r\n";
    let who = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n\"\r\n\
        Content-Length: 0\r\nConnection: close\r\n\r\n";
    let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    let authority = Authority::new();
    let trusting = authority.client();
    let secured = move |port| plain_secured(port).tls(trusting.clone());
    let (one, other) = (secured.clone(), secured);
    let soon = Reconnect { initial: Duration::from_millis(1), ..Reconnect::default() };
    vec![
        fault("refused", Box::new(|_| plain(1)), &[]),
        fault("garbage", Box::new(plain), &["what?\r\n"]),
        fault("half a head", Box::new(plain), &["HTTP/1.1 101 Switch"]),
        fault("a refusal", Box::new(plain), &[refusal]),
        silent("silence", Box::new(|port| impatient(plain(port)))),
        fault("redirects", Box::new(|port| plain(port).max_redirects(1)), &[moved, moved]),
        fault(
            "a login",
            Box::new(|port| plain(port).auth(Auth::digest("me", "secret"))),
            &[challenge, challenge],
        ),
        fault("no TLS", Box::new(one), &["HTTP/1.1 400 Bad\r\n\r\n"]),
        silent("no TLS at all", Box::new(move |port| impatient(other(port)))),
        fault("a proxy", Box::new(|port| through("http", port)), &[who, who]),
        fault("SOCKS", Box::new(|port| through("socks5h", port)), &["\x05\x02"]),
        silent("a silent proxy", Box::new(|port| impatient(through("http", port)))),
        fault(
            "losses",
            Box::new(move |port| plain(port).reconnect(soon.clone())),
            &[busy, busy, refusal],
        ),
    ]
}

fn plain_secured(port: u16) -> ClientOptions {
    to(&format!("wss://127.0.0.1:{port}/"))
}

fn answer(listener: &TcpListener, answers: &[Option<String>]) {
    for answer in answers {
        let mut peer = Peer::accept(listener);
        peer.fill().unwrap();
        match answer {
            Some(answer) => peer.write(answer.as_bytes()),
            None => while peer.fill().is_ok_and(|count| count > 0) {},
        }
        peer.half_close();
        // A reset is an end, too.
        let _ = peer.rest();
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Slots are used again after so many others, and their number grows until then.
const SLOTS: usize = 1_100;
/// What a loop keeps for the next connection is there after so many.
const WARM: usize = 4;
const ROUNDS: usize = 20;

#[test]
fn a_connection_that_fails_leaves_nothing_behind() {
    for fault in faults() {
        let before = descriptors();
        let (listener, port) = listen();
        let mut event_loop = EventLoop::new().unwrap();
        for _ in 0..SLOTS {
            let nowhere = ClientOptions::new("ws+unix:/nowhere/at/all:/").unwrap();
            event_loop.connect(&nowhere, Nothing).unwrap();
            event_loop.run_until_idle().unwrap();
        }
        let (mut held, answers) = (Vec::with_capacity(ROUNDS), &fault.answers);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..ROUNDS).for_each(|_| answer(&listener, answers)));
            for _ in 0..ROUNDS {
                event_loop.connect(&(fault.client)(port), Nothing).unwrap();
                event_loop.run_until_idle().unwrap();
                held.push(HELD.get());
            }
        });
        let growth: Vec<_> = held.windows(2).skip(WARM).map(|pair| pair[1] - pair[0]).collect();
        assert!(growth.iter().all(|bytes| *bytes == 0), "{}: {growth:?}", fault.name);
        drop((listener, event_loop));
        assert_eq!(descriptors(), before, "{}", fault.name);
    }
}
