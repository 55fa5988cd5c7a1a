//! A host that watches the descriptor, and one connection so busy that it is read before the poller is asked: whatever
//! else happens is not missed.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tightwire::{EventLoop, LoopHandle, ServerOptions};

use crate::support::{self, BINARY, CLOSE, Log, PATIENCE, Peer, Script, close_payload, pattern};

/// More than it takes to be taken for the only one.
const LONG: usize = 100;

/// An echo server in a loop that this host drives until it is told otherwise.
struct Host {
    port: u16,
    log: Log,
    handle: LoopHandle,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<EventLoop>>,
}

impl Host {
    fn start() -> Self {
        let log = Log::default();
        let mut event_loop = EventLoop::new().unwrap();
        let fd = event_loop.as_raw_fd();
        let listen = ServerOptions::new("127.0.0.1:0").unwrap();
        let server = event_loop.listen(&listen, Script::echo(&log)).unwrap();
        let port = event_loop.context().server_port(server).unwrap();
        let (handle, over) = (event_loop.handle(), Arc::new(AtomicBool::new(false)));
        let ends = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Acquire) {
                assert!(is_readable(fd, PATIENCE), "the descriptor tells nothing");
                event_loop.turn(Some(Duration::ZERO)).unwrap();
            }
            event_loop
        });
        Self { port, log, handle, over, thread: Some(thread) }
    }

    fn peer(&self) -> Peer {
        let mut peer = Peer::connect(self.port);
        peer.upgrade();
        peer
    }

    /// Ends the host and looks whether the descriptor is quiet once all is dealt with.
    fn end(mut self) {
        self.over.store(true, Ordering::Release);
        self.handle.post(Box::new(|_| ()));
        let mut event_loop = self.thread.take().unwrap().join().unwrap();
        let fd = event_loop.as_raw_fd();
        for _ in 0..100 {
            if !is_readable(fd, Duration::from_millis(20)) {
                return;
            }
            event_loop.turn(Some(Duration::ZERO)).unwrap();
        }
        panic!("the descriptor is readable although nothing happens");
    }
}

fn is_readable(fd: i32, time: Duration) -> bool {
    // SAFETY: the loop that owns the descriptor outlives the call.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let time = Timespec::try_from(time).unwrap();
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&time)).unwrap() == 1
}

fn talk(peer: &mut Peer, messages: usize) {
    for number in 0..messages {
        let payload = pattern(number % 300);
        peer.send(BINARY, &payload);
        peer.expect(BINARY, &payload);
    }
}

#[test]
fn others_are_heard_beside_a_busy_connection() {
    let host = Host::start();
    let over = Arc::new(AtomicBool::new(false));
    let (mut busy, ends) = (host.peer(), Arc::clone(&over));
    talk(&mut busy, LONG);
    let busy = thread::spawn(move || {
        while !ends.load(Ordering::Acquire) {
            talk(&mut busy, 1);
        }
        busy
    });
    // Another connection, a new one each time, jobs of other threads, and a timer.
    let mut other = host.peer();
    let jobs = Arc::new(AtomicUsize::new(0));
    for _ in 0..LONG {
        talk(&mut other, 1);
        talk(&mut host.peer(), 1);
        let jobs = Arc::clone(&jobs);
        host.handle.post(Box::new(move |context| {
            let after = Duration::from_millis(1);
            let count = move |_: &mut tightwire::Context<'_>| {
                jobs.fetch_add(1, Ordering::AcqRel);
            };
            context.set_timer(after, None, Box::new(count));
        }));
    }
    support::until("the timers", || jobs.load(Ordering::Acquire) == LONG);
    over.store(true, Ordering::Release);
    let mut busy = busy.join().unwrap();
    talk(&mut busy, LONG);
    host.end();
}

#[test]
fn what_did_not_fit_goes_on() {
    let host = Host::start();
    let mut peer = host.peer();
    for _ in 0..2 {
        talk(&mut peer, LONG);
        // Echoed while nobody reads, it fills the buffers of the system.
        let payload = pattern(8 << 20);
        peer.send(BINARY, &payload);
        peer.expect(BINARY, &payload);
    }
    talk(&mut peer, LONG);
    host.end();
}

#[test]
fn the_end_is_seen_with_the_last_message_and_after_it() {
    for with_close in [true, false] {
        let host = Host::start();
        let mut peer = host.peer();
        talk(&mut peer, LONG);
        let mut last = support::frame(true, BINARY, true, b"last");
        if with_close {
            last.extend(support::frame(true, CLOSE, true, &close_payload(1000, "")));
        }
        peer.write(&last);
        peer.half_close();
        peer.expect(BINARY, b"last");
        if with_close {
            peer.expect(CLOSE, &close_payload(1000, ""));
        }
        peer.expect_end();
        host.log.closed();
        host.end();
    }
}

#[test]
fn a_reset_is_seen() {
    let host = Host::start();
    let mut peer = host.peer();
    talk(&mut peer, LONG);
    peer.reset();
    host.log.closed();
    host.end();
}

#[test]
fn a_pause_holds_and_ends() {
    let host = Host::start();
    let mut peer = host.peer();
    talk(&mut peer, LONG);
    let remote = host.handle.remote(host.log.opened()).unwrap();
    let seen = || host.log.briefs().len();
    remote.pause();
    let before = seen();
    let (paused, told) = std::sync::mpsc::channel();
    host.handle.post(Box::new(move |_| paused.send(()).unwrap()));
    told.recv().unwrap();
    peer.send(BINARY, b"later");
    assert!(peer.is_silent_for(Duration::from_millis(50)));
    assert_eq!(seen(), before, "nothing is read while it is paused");
    remote.resume();
    peer.expect(BINARY, b"later");
    talk(&mut peer, LONG);
    host.end();
}
