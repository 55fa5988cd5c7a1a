//! A loop inside a foreign one that watches its descriptor with `poll(2)`, level-triggered.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tightwire::{ClientOptions, ErrorCode, EventLoop, LoopOptions, Phase, ServerOptions, Tuning};

use crate::support::{
    self, BINARY, CLOSE, Log, PATIENCE, PING, Peer, Script, TEXT, close_payload, listen, pattern,
};

/// A host that knows nothing of the loop but its descriptor.
struct Host {
    event_loop: EventLoop,
    port: u16,
    log: Log,
}

impl Host {
    fn new(options: LoopOptions, tuning: Tuning, script: Script) -> Self {
        let mut event_loop = EventLoop::with_options(options).unwrap();
        assert!(event_loop.as_raw_fd() >= 0);
        let log = script.log.clone();
        let listen = ServerOptions::new("127.0.0.1:0").unwrap().tuning(tuning);
        let server = event_loop.listen(&listen, script).unwrap();
        let port = event_loop.context().server_port(server).unwrap();
        Self { event_loop, port, log }
    }

    fn echo() -> Self {
        Self::new(LoopOptions::default(), Tuning::default(), Script::echo(&Log::default()))
    }

    fn is_readable_within(&self, time: Duration) -> bool {
        // SAFETY: the loop owns the descriptor and is borrowed for as long.
        let fd = unsafe { BorrowedFd::borrow_raw(self.event_loop.as_raw_fd()) };
        let time = Timespec::try_from(time).unwrap();
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&time)).unwrap() == 1
    }

    /// One round of the host: waits for the descriptor, then turns without waiting.
    fn round(&mut self) {
        assert!(self.is_readable_within(PATIENCE), "the descriptor tells nothing");
        self.event_loop.turn(Some(Duration::ZERO)).unwrap();
    }

    fn rounds_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        while !done(self) {
            self.round();
        }
    }

    /// Turns until the descriptor is quiet.
    fn rest(&mut self) {
        for _ in 0..100 {
            if !self.is_readable_within(Duration::from_millis(20)) {
                return;
            }
            self.event_loop.turn(Some(Duration::ZERO)).unwrap();
        }
        panic!("the descriptor is readable although nothing happens");
    }

    fn closes(&self) -> usize {
        self.log.briefs().iter().filter(|brief| brief.starts_with("close")).count()
    }

    /// A client whose handshake is done, made on this thread.
    fn peer(&mut self) -> Peer {
        let port = self.port;
        let opens = |host: &Self| host.log.briefs().iter().filter(|b| *b == "open").count();
        let before = opens(self);
        let client = std::thread::spawn(move || {
            let mut peer = Peer::connect(port);
            peer.upgrade();
            peer
        });
        self.rounds_until(|host| opens(host) > before);
        client.join().unwrap()
    }
}

#[test]
fn nothing_is_missed_with_a_budget_of_one_read() {
    const PEERS: usize = 8;
    const MESSAGES: usize = 500;
    let options = LoopOptions { reads_per_turn: 1, ..LoopOptions::default() };
    let mut host = Host::new(options, Tuning::default(), Script::echo(&Log::default()));
    let port = host.port;
    let clients: Vec<_> = (0..PEERS)
        .map(|number| {
            std::thread::spawn(move || {
                let mut peer = Peer::connect(port);
                peer.upgrade();
                let payload = pattern(1_000 * (number + 1));
                let mut writer = Peer::on(peer.stream.try_clone().unwrap(), true);
                let flood = payload.clone();
                let sender = std::thread::spawn(move || {
                    for _ in 0..MESSAGES {
                        writer.send(BINARY, &flood);
                    }
                });
                for _ in 0..MESSAGES {
                    peer.expect(BINARY, &payload);
                }
                sender.join().unwrap();
                peer.close(1000, "");
            })
        })
        .collect();
    host.rounds_until(|host| host.closes() == PEERS);
    for client in clients {
        client.join().unwrap();
    }
    host.log.check();
    host.rest();
}

#[test]
fn one_large_message_is_read_whole_with_a_budget_of_one_read() {
    let options = LoopOptions { reads_per_turn: 1, ..LoopOptions::default() };
    let mut host = Host::new(options, Tuning::default(), Script::echo(&Log::default()));
    let mut peer = host.peer();
    let client = std::thread::spawn(move || {
        let payload = pattern(4 << 20);
        peer.send(BINARY, &payload);
        peer.expect(BINARY, &payload);
        // The end comes in the same read as the last frame.
        peer.write(&support::frame(true, CLOSE, true, &close_payload(1000, "")));
        peer.half_close();
        peer.expect(CLOSE, &close_payload(1000, ""));
        peer.expect_end();
    });
    host.rounds_until(|host| host.closes() == 1);
    client.join().unwrap();
    assert!(host.log.closed().clean);
}

#[test]
fn an_idle_loop_is_not_woken() {
    let mut host = Host::echo();
    let mut peer = host.peer();
    peer.send(TEXT, b"once");
    host.rounds_until(|host| host.log.texts().len() == 1);
    peer.expect(TEXT, b"once");
    host.rest();
    assert!(!host.is_readable_within(Duration::from_millis(300)), "woken for nothing");
}

#[test]
fn a_turn_of_no_time_does_not_wait() {
    let mut host = Host::echo();
    let _peer = host.peer();
    host.rest();
    let start = support::now();
    for _ in 0..1_000 {
        host.event_loop.turn(Some(Duration::ZERO)).unwrap();
    }
    // A single wait for the next deadline would take 10 s.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(!host.is_readable_within(Duration::ZERO));
}

#[test]
fn a_turn_waits_no_longer_than_it_was_told() {
    let mut event_loop = EventLoop::new().unwrap();
    let start = support::now();
    event_loop.turn(Some(Duration::from_millis(50))).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50), "{:?}", start.elapsed());
}

#[test]
fn other_threads_make_the_descriptor_readable() {
    let mut host = Host::echo();
    let mut peer = host.peer();
    let remote = host.event_loop.handle().remote(host.log.opened()).unwrap();
    let handle = host.event_loop.handle();
    for round in 0..100 {
        host.rest_quickly();
        let (remote, handle) = (remote.clone(), handle.clone());
        let thread = std::thread::spawn(move || match round % 2 {
            0 => remote.send("wake up").unwrap(),
            _ => {
                handle.post(Box::new(move |context| context.send(remote.id(), "wake up").unwrap()));
            }
        });
        host.round();
        thread.join().unwrap();
        peer.expect(TEXT, b"wake up");
    }
    host.rest();
    handle.stop();
    host.round();
    assert!(host.event_loop.take_stop());
    remote.close(Some(1000), "").unwrap();
    host.round();
    peer.expect(CLOSE, &close_payload(1000, ""));
}

impl Host {
    fn rest_quickly(&mut self) {
        while self.is_readable_within(Duration::ZERO) {
            self.event_loop.turn(Some(Duration::ZERO)).unwrap();
        }
    }
}

#[test]
fn what_is_queued_between_two_turns_leaves_with_a_flush_and_without_a_callback() {
    let mut host = Host::echo();
    let mut peer = host.peer();
    host.rest();
    let id = host.log.opened();
    let events = host.log.events().len();
    host.event_loop.context().send(id, "now").unwrap();
    host.event_loop.flush();
    peer.expect(TEXT, b"now");
    assert!(!host.is_readable_within(Duration::from_millis(50)), "nothing is left to do");

    // Without the flush the descriptor says that a turn is due.
    host.event_loop.context().send(id, "later").unwrap();
    host.event_loop.context().close(id, Some(1000), "").unwrap();
    host.event_loop.flush();
    peer.expect(TEXT, b"later");
    peer.expect(CLOSE, &close_payload(1000, ""));
    assert_eq!(host.log.events().len(), events, "no callback outside of a turn");
    host.event_loop.context().abort(id);
    host.event_loop.flush();
    host.rounds_until(|host| host.closes() == 1);
}

#[test]
fn deadlines_make_the_descriptor_readable() {
    let tuning = Tuning {
        ping_interval: Some(Duration::from_millis(60)),
        ping_timeout: Some(Duration::from_millis(60)),
        linger: Some(Duration::from_millis(60)),
        ..Tuning::default()
    };
    let mut host = Host::new(LoopOptions::default(), tuning, Script::echo(&Log::default()));
    let mut peer = host.peer();
    host.rounds_until(|host| host.closes() == 1);
    peer.expect(PING, b"");
    peer.expect(CLOSE, &1011u16.to_be_bytes());
    let error = host.log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Heartbeat, ErrorCode::TimedOut), "{error}");
}

#[test]
fn a_client_connects_inside_a_foreign_loop() {
    let mut host = Host::echo();
    host.rest();
    let log = Log::default();
    let script = Script::new(&log)
        .on_open(|ws, _| ws.send("hello").unwrap())
        .on_message(|ws, _| ws.close(Some(1000), "").unwrap());
    let options = ClientOptions::new(&format!("ws://localhost:{}/", host.port)).unwrap();
    let options = options.connect_to(format!("127.0.0.1:{}", host.port));
    host.event_loop.connect(&options, script).unwrap();
    let ended = log.clone();
    host.rounds_until(move |_| ended.briefs().last().is_some_and(|b| b.starts_with("close")));
    assert_eq!(log.briefs(), ["open", "text hello", "close 1000"]);
}

#[test]
fn the_descriptor_may_be_asked_for_late() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let tuning = Tuning { open_timeout: Some(Duration::from_millis(100)), ..Tuning::default() };
    let (listener, port) = listen();
    let url = format!("ws://127.0.0.1:{port}/");
    let options = ClientOptions::new(&url).unwrap().tuning(tuning);
    event_loop.connect(&options, Script::new(&log)).unwrap();
    let mut host = Host { event_loop, port, log };
    host.rounds_until(|host| host.closes() == 1);
    assert_eq!(host.log.failed().code(), ErrorCode::TimedOut);
    drop(listener);
}

#[test]
fn a_deadline_that_a_slow_callback_sets_is_neither_early_nor_late() {
    let slow = Duration::from_millis(1_500);
    let tuning = Tuning { close_timeout: Some(Duration::from_secs(1)), ..Tuning::default() };
    let script = Script::default().on_message(move |ws, _| {
        support::dawdle(slow);
        ws.close(Some(1000), "").unwrap();
    });
    let mut host = Host::new(LoopOptions::default(), tuning, script);
    let mut peer = host.peer();
    peer.send(TEXT, b"go");
    host.rounds_until(|host| !host.log.texts().is_empty());
    let closing = support::now();
    host.rounds_until(|host| host.closes() == 1);
    let waited = closing.elapsed();
    assert_eq!(host.log.failed().phase(), Phase::Close);
    assert!(waited > Duration::from_millis(900), "too early: {waited:?}");
    assert!(waited < Duration::from_millis(2_200), "too late: {waited:?}");
    drop(peer);
}
