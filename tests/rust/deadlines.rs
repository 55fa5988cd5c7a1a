//! Every deadline with short times: what it ends, what it says, and what it must not end.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use tightwire::{ClientOptions, ClientTls, ErrorCode, Phase, Tuning};

use crate::support::{
    self, BINARY, CLOSE, Log, PATIENCE, PING, PONG, Peer, Script, TEXT, World, close_payload,
    dawdle, listen, options, pattern,
};

const SHORT: Duration = Duration::from_millis(100);
/// Longer than anything that must happen within it.
const LONG: Duration = Duration::from_secs(60);

/// Only what a test sets is short.
fn calm() -> Tuning {
    Tuning {
        open_timeout: Some(LONG),
        close_timeout: Some(LONG),
        linger: Some(LONG),
        write_timeout: Some(LONG),
        ping_interval: None,
        ..Tuning::default()
    }
}

fn dial(world: &World, url: &str, tuning: Tuning, script: Script) {
    let tls = ClientTls::builder().danger_no_verification().build().unwrap();
    world.dial_with(ClientOptions::new(url).unwrap().tuning(tuning).tls(tls), script);
}

#[test]
fn a_silent_server_is_given_up_and_the_error_names_the_phase() {
    let world = World::new();
    let (listener, port) = listen();
    let tuning = Tuning { open_timeout: Some(SHORT), ..calm() };
    for (scheme, phase) in [("ws", Phase::Upgrade), ("wss", Phase::Tls)] {
        let log = Log::default();
        let start = support::now();
        dial(&world, &format!("{scheme}://127.0.0.1:{port}/"), tuning.clone(), Script::new(&log));
        let peer = Peer::accept(&listener);
        let error = log.failed();
        assert_eq!((error.phase(), error.code()), (phase, ErrorCode::TimedOut), "{error}");
        assert!(error.to_string().contains("open_timeout"), "{error}");
        assert!(start.elapsed() >= SHORT, "too early");
        assert_eq!(log.briefs(), ["close 1006"]);
        drop(peer);
    }
}

/// A listener whose queue is full: the system ignores whoever else tries to connect.
fn deaf_listener() -> (TcpListener, Vec<std::net::TcpStream>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let addr = listener.local_addr().unwrap();
    let wait = Duration::from_millis(300);
    let connect = || std::net::TcpStream::connect_timeout(&addr, wait).ok();
    let waiting = std::iter::from_fn(connect).take(8).collect();
    (listener, waiting, addr.port())
}

#[test]
fn an_unanswered_connect_is_given_up_in_the_phase_tcp() {
    let world = World::new();
    let (listener, waiting, port) = deaf_listener();
    let log = Log::default();
    let tuning = Tuning { open_timeout: Some(SHORT), ..calm() };
    dial(&world, &format!("ws://127.0.0.1:{port}/"), tuning, Script::new(&log));
    let error = log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Tcp, ErrorCode::TimedOut), "{error}");
    drop((listener, waiting));
}

#[test]
fn clients_that_never_finish_their_request_are_cut() {
    let world = World::new();
    let tuning = Tuning { open_timeout: Some(SHORT), ..calm() };
    let server = world.serve_with(options().tuning(tuning), Script::default());
    let mut silent = server.tcp();
    let mut slow = server.tcp();
    // The deadline is absolute: a byte now and then does not move it.
    let (tx, rx) = mpsc::channel::<()>();
    let mut writer = slow.stream.try_clone().unwrap();
    let trickle = std::thread::spawn(move || {
        use std::io::Write as _;
        for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".iter().chain([b'x'; 10_000].iter())
        {
            if writer.write_all(&[*byte]).is_err() {
                return;
            }
            if rx.recv_timeout(Duration::from_millis(5)) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
        }
    });
    for peer in [&mut silent, &mut slow] {
        let answer = peer.rest().unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    }
    drop(tx);
    trickle.join().unwrap();
    assert!(server.log.events().is_empty(), "they are no connections");
}

#[test]
fn an_unanswered_close_is_given_up() {
    let world = World::new();
    let tuning = Tuning { close_timeout: Some(SHORT), ..calm() };
    let script = Script::default().on_open(|ws, _| ws.close(Some(1000), "").unwrap());
    let server = world.serve_with(options().tuning(tuning.clone()), script);
    let mut peer = server.peer();
    peer.expect(CLOSE, &close_payload(1000, ""));
    // Data is no answer.
    peer.send(TEXT, b"not a close");
    let error = server.log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Close, ErrorCode::TimedOut), "{error}");
    assert!(error.to_string().contains("close_timeout"), "{error}");
    assert_eq!(peer.try_frame(), None);

    let (listener, port) = listen();
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| ws.close(Some(1000), "").unwrap());
    dial(&world, &format!("ws://127.0.0.1:{port}/"), tuning, script);
    let mut peer = Peer::accept_upgraded(&listener);
    peer.expect(CLOSE, &close_payload(1000, ""));
    assert_eq!(log.failed().phase(), Phase::Close);
}

#[test]
fn a_peer_that_keeps_tcp_open_after_the_closing_handshake_is_left_behind() {
    let world = World::new();
    let tuning = Tuning { linger: Some(SHORT), ..calm() };
    let server = world.serve_with(options().tuning(tuning.clone()), Script::default());
    let mut peer = server.peer();
    peer.send(CLOSE, &close_payload(4000, "bye"));
    peer.expect(CLOSE, &close_payload(4000, "bye"));
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (4000, true), "{close:?}");

    let (listener, port) = listen();
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| ws.close(Some(1000), "").unwrap());
    dial(&world, &format!("ws://127.0.0.1:{port}/"), tuning, script);
    let mut lingering = Peer::accept_upgraded(&listener);
    lingering.expect(CLOSE, &close_payload(1000, ""));
    lingering.send(CLOSE, &close_payload(1000, ""));
    let close = log.closed();
    assert_eq!((close.code, close.clean), (1000, true), "{close:?}");
    drop((peer, lingering));
}

#[test]
fn a_peer_that_takes_no_data_is_given_up() {
    let world = World::new();
    let tuning = Tuning { write_timeout: Some(SHORT), ..calm() };
    let script = Script::default().on_open(|ws, _| ws.send(&pattern(32 << 20)).unwrap());
    let server = world.serve_with(options().tuning(tuning), script);
    let peer = server.peer();
    let close = server.log.closed();
    let error = close.error.unwrap();
    assert_eq!((error.phase(), error.code()), (Phase::Heartbeat, ErrorCode::TimedOut), "{error}");
    assert!(error.to_string().contains("write_timeout"), "{error}");
    assert!(close.unsent > 1 << 20, "{}", close.unsent);
    drop(peer);
}

#[test]
fn a_peer_that_takes_data_slowly_is_not_given_up() {
    let world = World::new();
    let tuning = Tuning { write_timeout: Some(Duration::from_secs(1)), ..calm() };
    let payload = pattern(32 << 20);
    let sent = payload.clone();
    let script = Script::default().on_open(move |ws, _| ws.send(&sent).unwrap());
    let server = world.serve_with(options().tuning(tuning), script);
    let mut peer = server.peer();
    for _ in 0..20 {
        // Some of it comes with the answer to the request.
        for _ in 0..16 {
            peer.fill().unwrap();
        }
        dawdle(SHORT);
    }
    peer.expect(BINARY, &payload);
    peer.close(1000, "");
}

#[test]
fn a_peer_that_says_nothing_is_sent_away() {
    let world = World::new();
    let tuning = Tuning { idle_timeout: Some(3 * SHORT), ..calm() };
    let server = world.serve_with(options().tuning(tuning), Script::echo(&Log::default()));
    let mut peer = server.peer();
    let start = support::now();
    // As long as it talks it may stay, and a ping is no talk.
    while start.elapsed() < 6 * SHORT {
        peer.send(TEXT, b"here");
        peer.expect(TEXT, b"here");
        dawdle(SHORT / 4);
    }
    let last = support::now();
    peer.send(PING, b"?");
    peer.expect(PONG, b"?");
    peer.expect(CLOSE, &close_payload(1001, "idle timeout"));
    assert!(last.elapsed() >= 2 * SHORT, "too early: {:?}", last.elapsed());
    peer.send(CLOSE, &close_payload(1001, ""));
    peer.expect_end();
    drop(peer);
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (1001, true));
    assert!(close.error.is_none(), "{:?}", close.error);
}

#[test]
fn a_silent_peer_is_pinged_and_then_found_dead() {
    let world = World::new();
    let tuning = Tuning { ping_interval: Some(SHORT), ping_timeout: Some(SHORT), ..calm() };
    let server = world.serve_with(options().tuning(tuning), Script::default());
    let mut peer = server.peer();
    let start = support::now();
    peer.expect(PING, b"");
    assert!(start.elapsed() >= SHORT / 2, "too early: {:?}", start.elapsed());
    peer.expect(CLOSE, &1011u16.to_be_bytes());
    drop(peer);
    let error = server.log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Heartbeat, ErrorCode::TimedOut), "{error}");
    assert!(error.to_string().contains("ping_timeout"), "{error}");
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let world = World::new();
    let tuning = Tuning { ping_interval: Some(SHORT), ping_timeout: Some(10 * SHORT), ..calm() };
    let server = world.serve_with(options().tuning(tuning), Script::default());
    let mut peer = server.peer();
    // Not a whole message in all the time, and no pong.
    peer.write(&[0x82, 0xfe, 0x10, 0x00, 0, 0, 0, 0]);
    for _ in 0..20 {
        peer.expect(PING, b"");
        peer.write(b"x");
    }
    peer.write(&[b'x'; 4_076]);
    server.log.wait_for("binary of 4096", 1);
    peer.send(PING, b"and now?");
    while peer.frame().opcode != PONG {}
    peer.close(1000, "");
}

#[test]
fn our_two_roles_keep_each_other_alive() {
    let world = World::new();
    let tuning =
        Tuning { ping_interval: Some(SHORT / 2), ping_timeout: Some(10 * SHORT), ..calm() };
    let server = world.serve_with(options().tuning(tuning.clone()), Script::default());
    let log = Log::default();
    dial(&world, &server.url(), tuning, Script::new(&log));
    log.wait("pings and pongs", |events| (events.len() > 6).then_some(()));
    let remote = world.handle().remote(log.opened()).unwrap();
    remote.close(Some(1000), "").unwrap();
    assert!(log.closed().clean);
}

/// A callback that takes longer than all patience together.
const SLOW: Duration = Duration::from_millis(600);

#[test]
fn a_slow_callback_is_no_silence_of_the_peer() {
    let world = World::new();
    let tuning = Tuning { ping_interval: Some(SHORT), ping_timeout: Some(2 * SHORT), ..calm() };
    let script = Script::default().on_message(|ws, message| {
        if message.data() == b"slow" {
            dawdle(SLOW);
        }
        ws.send(message).unwrap();
    });
    let server = world.serve_with(options().tuning(tuning), script);
    // One that waits for the slow callback, one whose callback it is, one that has nothing to say
    // but answers pings.
    let mut bystander = server.peer();
    let mut peer = server.peer();
    let mut listener = server.peer();
    let answers = std::thread::spawn(move || {
        let mut pings = 0;
        loop {
            let frame = listener.frame();
            match frame.opcode {
                PING => listener.send(PONG, &frame.payload),
                CLOSE => break,
                opcode => panic!("opcode {opcode}"),
            }
            pings += 1;
        }
        listener.send(CLOSE, &close_payload(1001, ""));
        pings
    });
    for _ in 0..3 {
        peer.send(TEXT, b"slow");
        bystander.send(TEXT, b"quick");
        for peer in [&mut peer, &mut bystander] {
            loop {
                let frame = peer.frame();
                assert_ne!(frame.opcode, CLOSE, "found dead");
                if frame.opcode == TEXT {
                    break;
                }
                peer.send(PONG, &frame.payload);
            }
        }
    }
    assert!(server.log.briefs().iter().all(|brief| !brief.starts_with("close")));
    drop((peer, bystander));
    server.log.closes(2);
    drop(world);
    assert!(answers.join().unwrap() > 0);
}

#[test]
fn the_time_to_answer_a_ping_begins_when_it_is_sent() {
    let world = World::new();
    // The slow callback and the ping to the other are due in the same turn.
    let tuning = Tuning {
        ping_interval: Some(Duration::from_millis(300)),
        ping_timeout: Some(Duration::from_millis(300)),
        ..calm()
    };
    let script = Script::default().on_ping(|_, _| dawdle(SLOW));
    let server = world.serve_with(options().tuning(tuning), script);
    let mut others: Vec<_> = (0..20).map(|_| server.peer()).collect();
    let mut peer = server.peer();
    for _ in 0..3 {
        peer.send(PING, b"slow");
        for other in &mut others {
            let frame = other.frame();
            assert_eq!(frame.opcode, PING, "found dead: {frame:?}");
            // A round trip that is long for this machine and short for the network.
            other.send(PONG, b"");
        }
        while peer.frame().opcode != PONG {}
    }
}

#[test]
fn the_time_to_answer_a_close_begins_when_it_is_sent() {
    let world = World::new();
    let tuning = Tuning { close_timeout: Some(SLOW / 2), ..calm() };
    let script = Script::default().on_message(|ws, _| {
        dawdle(SLOW);
        ws.close(Some(1000), "").unwrap();
    });
    let server = world.serve_with(options().tuning(tuning), script);
    let mut peer = server.peer();
    peer.send(TEXT, b"go");
    peer.expect(CLOSE, &close_payload(1000, ""));
    dawdle(SHORT);
    peer.send(CLOSE, &close_payload(1000, ""));
    peer.expect_end();
    drop(peer);
    assert!(server.log.closed().clean, "{:?}", server.log.closed());
}

#[test]
fn the_time_to_take_data_begins_when_it_is_sent() {
    let world = World::new();
    let tuning = Tuning { write_timeout: Some(SLOW / 2), ..calm() };
    let payload = pattern(16 << 20);
    let sent = payload.clone();
    let script = Script::default().on_message(move |ws, _| {
        dawdle(SLOW);
        ws.send(&sent).unwrap();
    });
    let server = world.serve_with(options().tuning(tuning), script);
    let mut peer = server.peer();
    peer.send(TEXT, b"go");
    let mut first = [0; 1];
    peer.stream.peek(&mut first).unwrap();
    dawdle(SHORT);
    peer.expect(BINARY, &payload);
    peer.close(1000, "");
    assert!(server.log.closed().clean, "{:?}", server.log.closed());
}

#[test]
fn the_time_to_connect_begins_when_it_is_asked_for() {
    let world = World::new();
    let echo = world.echo();
    let (tx, rx) = mpsc::channel();
    let (url, tuning) = (echo.url(), Tuning { open_timeout: Some(SLOW / 2), ..calm() });
    let server = world.serve(Script::default().on_message(move |ws, _| {
        dawdle(SLOW);
        let log = Log::default();
        let script = Script::new(&log).on_open(|ws, _| ws.close(Some(1000), "").unwrap());
        let options = ClientOptions::new(&url).unwrap().tuning(tuning.clone());
        ws.context().connect(&options, Box::new(script)).unwrap();
        tx.send(log).unwrap();
    }));
    let mut peer = server.peer();
    peer.send(TEXT, b"go");
    let log = rx.recv_timeout(PATIENCE).unwrap();
    assert!(log.closed().clean, "{:?}", log.closed());
    peer.close(1000, "");
}

#[test]
fn every_deadline_can_be_switched_off() {
    let world = World::new();
    let never = Tuning {
        open_timeout: None,
        close_timeout: None,
        linger: None,
        write_timeout: None,
        ping_interval: None,
        ping_timeout: None,
        ..Tuning::default()
    };
    let script = Script::default().on_message(|ws, _| ws.close(Some(1000), "").unwrap());
    let server = world.serve_with(options().tuning(never), script);
    let mut unopened = server.tcp();
    let mut silent = server.peer();
    let mut closing = server.peer();
    closing.send(TEXT, b"close");
    closing.expect(CLOSE, &close_payload(1000, ""));
    for peer in [&mut unopened, &mut silent, &mut closing] {
        assert!(peer.is_silent_for(2 * SHORT));
    }
    closing.send(CLOSE, &close_payload(1000, ""));
    closing.expect_end();
    unopened.upgrade();
    for mut peer in [unopened, silent] {
        peer.close(1000, "");
    }
}

#[test]
fn a_ping_without_a_timeout_is_sent_again_and_again() {
    let world = World::new();
    let tuning = Tuning { ping_interval: Some(SHORT / 4), ping_timeout: None, ..calm() };
    let server = world.serve_with(options().tuning(tuning), Script::default());
    let mut peer = server.peer();
    for _ in 0..8 {
        peer.expect(PING, b"");
    }
}
