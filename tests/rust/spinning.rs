//! A loop that spins before it sleeps.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tightwire::{EventLoop, LoopHandle, LoopOptions};

use crate::support::{PATIENCE, dawdle, now};

/// A loop that runs on a thread of its own, with nothing to do.
struct Idle {
    handle: LoopHandle,
    task: u32,
    thread: JoinHandle<()>,
}

impl Idle {
    fn new(spin: Duration) -> Self {
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let options = LoopOptions { spin, ..LoopOptions::default() };
            let mut event_loop = EventLoop::with_options(options).unwrap();
            let task = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
            tell.send((event_loop.handle(), task)).unwrap();
            event_loop.run().unwrap();
        });
        let (handle, task) = told.recv().unwrap();
        Self { handle, task, thread }
    }

    /// The state of the thread, `S` while it sleeps, and how often it gave up its processor by itself.
    fn status(&self) -> (char, u64) {
        let text =
            std::fs::read_to_string(format!("/proc/self/task/{}/status", self.task)).unwrap();
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        let state = field("State:").chars().next().unwrap();
        (state, field("voluntary_ctxt_switches:").parse().unwrap())
    }

    fn until(&self, what: impl Fn(&Self) -> bool) {
        let began = now();
        while !what(self) {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.status());
            dawdle(Duration::from_millis(1));
        }
    }

    fn stop(self) {
        self.handle.stop();
        self.thread.join().unwrap();
    }
}

#[test]
fn it_spins_as_long_as_it_may_and_is_woken_all_the_same() {
    let idle = Idle::new(Duration::from_secs(3_600));
    let woken = |idle: &Idle| {
        let (tell, told) = mpsc::channel();
        assert!(idle.handle.post(Box::new(move |_| tell.send(()).unwrap())));
        told.recv_timeout(PATIENCE).unwrap();
    };
    woken(&idle);
    let (_, switches) = idle.status();
    for _ in 0..20 {
        dawdle(Duration::from_millis(2));
        let (state, now) = idle.status();
        assert_eq!((state, now), ('R', switches), "it slept");
    }
    woken(&idle);
    idle.stop();
}

#[test]
fn it_sleeps_afterwards() {
    let idle = Idle::new(Duration::from_millis(2));
    idle.until(|idle| idle.status().0 == 'S');
    idle.stop();
}

#[test]
fn it_waits_no_longer_than_it_may() {
    let options = LoopOptions { spin: Duration::from_secs(3_600), ..LoopOptions::default() };
    let mut event_loop = EventLoop::with_options(options).unwrap();
    let pause = Duration::from_millis(20);
    let began = now();
    event_loop.turn(Some(pause)).unwrap();
    assert!(began.elapsed() < PATIENCE);

    let (ring, rung) = mpsc::channel();
    event_loop.context().set_timer(pause, None, Box::new(move |_| ring.send(()).unwrap()));
    let began = now();
    while rung.try_recv().is_err() {
        event_loop.turn(None).unwrap();
    }
    assert!(began.elapsed() >= pause && began.elapsed() < PATIENCE);
}
