//! Clients that come back when their connection is lost.

use std::time::Duration;

use tightwire::{ClientOptions, ErrorCode, Phase, ReadyState, Reconnect, SendError, Tuning};

use crate::support::{self, Event, Log, Peer, Script, World, close_payload, listen};

/// A policy that does not waste the time of a test.
fn soon() -> Reconnect {
    Reconnect { initial: Duration::from_millis(5), ..Reconnect::default() }
}

/// A policy whose waits end with the test only.
fn late() -> Reconnect {
    let hour = Duration::from_secs(3600);
    Reconnect { initial: hour, max: hour, ..Reconnect::default() }
}

fn options(port: u16, policy: Reconnect) -> ClientOptions {
    ClientOptions::new(&format!("ws://127.0.0.1:{port}/")).unwrap().reconnect(policy)
}

fn refuse(listener: &std::net::TcpListener, status: &str) {
    let mut peer = Peer::accept(listener);
    peer.head();
    peer.write(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
}

/// The attempts that were announced, by the close code and the number.
fn attempts(log: &Log) -> Vec<String> {
    let briefs = log.briefs().into_iter();
    briefs.filter(|brief| brief.starts_with("reconnect")).collect()
}

#[test]
fn a_lost_connection_comes_back_under_the_same_id() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, opening| {
        ws.set_tag(ws.tag() + 1);
        ws.send(format!("subscribe {} {}", opening.reconnects, ws.tag()).as_str()).unwrap();
    });
    let id = world.dial_with(options(port, soon()), script);
    for round in 0..3 {
        let mut peer = Peer::accept_upgraded(&listener);
        let hello = format!("subscribe {round} {}", round + 1);
        peer.expect(support::TEXT, hello.as_bytes());
        peer.send(support::TEXT, b"news");
        log.wait_for("text news", round + 1);
        if round < 2 {
            peer.reset();
        } else {
            peer.close(1000, "enough");
        }
    }
    let close = log.closed();
    assert_eq!((close.code, close.clean, close.tag), (1000, true, 3));
    assert!(log.events().iter().all(|(other, _)| *other == id));
    let lost = log.events().into_iter().find_map(|(_, event)| match event {
        Event::Reconnect(lost, _) => Some(lost),
        _ => None,
    });
    let error = lost.unwrap().error.unwrap();
    assert_eq!(error.code(), ErrorCode::Reset, "{error}");
}

#[test]
fn attempts_are_counted_until_they_are_spent() {
    let (world, (listener, port)) = (World::new(), listen());
    drop(listener);
    let log = Log::default();
    let policy = Reconnect { max_attempts: Some(3), ..soon() };
    world.dial_with(options(port, policy), Script::new(&log));
    let error = log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Tcp, ErrorCode::Connect));
    let announced =
        ["reconnect 1006 1", "reconnect 1006 2", "reconnect 1006 3", "reconnect 1006 4"];
    assert_eq!(attempts(&log), announced);
}

#[test]
fn what_is_fatal_ends_at_once_and_what_is_not_goes_on() {
    for status in ["401 No", "403 No", "404 No", "200 OK"] {
        let (world, (listener, port)) = (World::new(), listen());
        let log = Log::default();
        world.dial_with(options(port, soon()), Script::new(&log));
        refuse(&listener, status);
        let error = log.failed();
        assert_eq!(error.http().unwrap().status.to_string(), status[..3]);
    }
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    world.dial_with(options(port, soon()), Script::new(&log));
    for status in ["503 Busy", "429 Slow down", "500 Oops"] {
        refuse(&listener, status);
    }
    let mut peer = Peer::accept_upgraded(&listener);
    peer.send(support::CLOSE, &close_payload(1008, "no"));
    peer.expect(support::CLOSE, &close_payload(1008, "no"));
    peer.half_close();
    assert_eq!(log.closed().code, 1008);
}

#[test]
fn a_server_says_when_to_come_back() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    let script = Script::new(&log).on_reconnect(|_, _, retry| retry.delay = None);
    world.dial_with(options(port, soon()), script);
    refuse(&listener, "503 Busy\r\nRetry-After: 120");
    log.failed();
    let wait = log.events().into_iter().find_map(|(_, event)| match event {
        Event::Reconnect(_, retry) => retry.delay,
        _ => None,
    });
    assert_eq!(wait, Some(Duration::from_secs(120)));
}

#[test]
fn the_application_may_decide_otherwise() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    let script = Script::new(&log).on_reconnect(|_, _, retry| {
        // The policy gives up after a 404 and would wait for an hour after a loss.
        retry.delay = (retry.attempt < 3).then_some(Duration::ZERO);
    });
    world.dial_with(options(port, late()), script);
    refuse(&listener, "404 Not yet");
    Peer::accept_upgraded(&listener).reset();
    refuse(&listener, "503 Busy");
    assert_eq!(log.failed().http().unwrap().status, 503);
    assert_eq!(attempts(&log).len(), 3);
}

#[test]
fn closing_ends_it_whatever_it_is_doing() {
    let (world, (listener, port)) = (World::new(), listen());
    // Open, and the peer answers with a code that would be worth a retry.
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| ws.close(Some(4000), "").unwrap());
    world.dial_with(options(port, soon()), script);
    let mut peer = Peer::accept_upgraded(&listener);
    peer.expect(support::CLOSE, &close_payload(4000, ""));
    peer.close_after_peer();
    assert_eq!((log.closed().code, attempts(&log).len()), (4000, 0));
    // Aborted.
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| ws.abort());
    world.dial_with(options(port, soon()), script);
    let _peer = Peer::accept_upgraded(&listener);
    assert_eq!((log.closed().code, attempts(&log).len()), (1006, 0));
    // In the callback that asks.
    let log = Log::default();
    let script = Script::new(&log).on_reconnect(|context, id, _| {
        assert_eq!(context.ready_state(id), ReadyState::Connecting);
        assert_eq!(context.send(id, "lost"), Err(SendError::Closed));
        context.close(id, None, "").unwrap();
    });
    world.dial_with(options(port, soon()), script);
    Peer::accept_upgraded(&listener).reset();
    assert_eq!((log.closed().code, attempts(&log).len()), (1006, 1));
}

#[test]
fn a_waiting_connection_is_connecting_and_can_be_given_up() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    let id = world.dial_with(options(port, late()), Script::new(&log));
    let remote = world.handle().remote(id).unwrap();
    Peer::accept_upgraded(&listener).reset();
    log.wait_for("reconnect 1006 1", 1);
    assert_eq!(remote.ready_state(), ReadyState::Connecting);
    assert_eq!(remote.send("too early"), Err(SendError::Closed));
    assert_eq!((remote.buffered_amount(), remote.protocol()), (0, String::new()));
    remote.close(Some(1000), "").unwrap();
    let close = log.closed();
    assert_eq!(close.error.unwrap().code(), ErrorCode::Shutdown);
    assert_eq!(remote.ready_state(), ReadyState::Closed);
}

#[test]
fn the_end_of_a_loop_ends_the_waiting() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    world.dial_with(options(port, late()), Script::new(&log));
    Peer::accept_upgraded(&listener).reset();
    log.wait_for("reconnect 1006 1", 1);
    drop(world);
    assert_eq!(log.closed().code, 1006);
}

#[test]
fn every_attempt_has_its_own_deadline_and_drops_what_it_opened() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    let tuning = Tuning { open_timeout: Some(Duration::from_millis(50)), ..Tuning::default() };
    let policy = Reconnect { max_attempts: Some(2), ..soon() };
    world.dial_with(options(port, policy).tuning(tuning), Script::new(&log));
    for _ in 0..3 {
        let mut silent = Peer::accept(&listener);
        silent.head();
        silent.expect_end();
    }
    assert_eq!(log.failed().code(), ErrorCode::TimedOut);
}

#[test]
fn what_was_queued_does_not_go_with_the_next_connection() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, opening| match opening.reconnects {
        // More than any buffer between us takes.
        0 => ws.send(&vec![7; 12 << 20][..]).unwrap(),
        _ => assert_eq!(ws.buffered_amount(), 0),
    });
    world.dial_with(options(port, soon()), script);
    Peer::accept_upgraded(&listener).reset();
    let mut peer = Peer::accept_upgraded(&listener);
    log.wait_for("open", 2);
    peer.close(1000, "");
    assert!(log.closed().clean);
    let unsent = log.events().into_iter().find_map(|(_, event)| match event {
        Event::Reconnect(lost, _) => Some(lost.unsent),
        _ => None,
    });
    assert!(unsent.unwrap() > 0);
}

#[test]
fn a_policy_that_cannot_work_is_refused() {
    let (_, port) = listen();
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut event_loop = tightwire::EventLoop::new().unwrap();
    let mut refused = |options: ClientOptions| {
        let connected = event_loop.connect(&options, Script::default());
        connected.unwrap_err().to_string()
    };
    let never = Reconnect { max_attempts: Some(0), ..soon() };
    assert_eq!(refused(options(port, never)), "argument: reconnect: max_attempts is 0");
    let given = options(port, soon()).socket(socket);
    assert_eq!(refused(given), "argument: reconnect: does not go with a given socket");
}
