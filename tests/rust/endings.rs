//! Connections that never open, queues that are full, and what ends before its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tightwire::{ConnId, ErrorCode, Message, MessageKind, Phase, ReadyState, SendError, Tuning};

use crate::support::{
    BINARY, CLOSE, Log, PING, Peer, Script, TEXT, World, close_payload, listen, options, pattern,
    until,
};

#[test]
fn connections_that_never_open_say_where_they_failed() {
    let world = World::new();
    let (listener, port) = listen();
    drop(listener);
    let unused = format!("ws://127.0.0.1:{port}/");
    for (url, phase, code, text) in [
        (unused.as_str(), Phase::Tcp, ErrorCode::Connect, "refused"),
        ("ws://no-such-host.invalid/", Phase::Dns, ErrorCode::Dns, "no-such-host.invalid"),
    ] {
        let log = Log::default();
        world.dial(url, Script::new(&log));
        let error = log.failed();
        assert_eq!((error.phase(), error.code()), (phase, code), "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(log.briefs(), ["close 1006"]);
    }
}

#[test]
fn a_connection_can_be_given_up_before_it_is_open() {
    let world = World::new();
    let (listener, port) = listen();
    for abort in [false, true] {
        let log = Log::default();
        let id = world.dial(&format!("ws://127.0.0.1:{port}/"), Script::new(&log));
        let mut peer = Peer::accept(&listener);
        peer.head();
        let remote = world.handle().remote(id).unwrap();
        assert_eq!(remote.send("early"), Err(SendError::Closed));
        if abort {
            remote.abort();
        } else {
            remote.close(Some(1000), "changed my mind").unwrap();
        }
        let error = log.failed();
        assert_eq!((error.phase(), error.code()), (Phase::App, ErrorCode::Shutdown), "{error}");
        assert_eq!(peer.try_frame(), None, "an end, or a reset");
        assert_eq!(log.briefs(), ["close 1006"]);
    }
}

#[test]
fn a_full_queue_refuses_whole_messages_and_drains() {
    const PART: usize = 64 << 10;
    const LIMIT: u64 = 1 << 20;
    let world = World::new();
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let tuning = Tuning { max_send_buffer: usize::try_from(LIMIT).unwrap(), ..Tuning::default() };
    let server = world.serve_with(
        options().tuning(tuning),
        Script::default().on_message(move |ws, _| {
            let payload = pattern(PART);
            let mut before = ws.buffered_amount();
            loop {
                match ws.send(&payload) {
                    Ok(()) => {
                        count.fetch_add(1, Ordering::SeqCst);
                        let after = ws.buffered_amount();
                        assert_eq!(after, before + PART as u64, "it shrank within a callback");
                        before = after;
                    }
                    Err(SendError::Full { buffered, limit }) => {
                        assert!(limit == LIMIT && buffered >= limit && buffered >= before);
                        assert_eq!(ws.buffered_amount(), before, "a refused message was counted");
                        return;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }),
    );
    let mut peer = server.peer();
    let id = server.log.opened();
    // Until also between two callbacks the system takes no more.
    until("a full queue", || {
        peer.send(TEXT, b"fill");
        world.call(move |context| context.buffered_amount(id)) + PART as u64 >= LIMIT
    });
    let handle = world.handle();
    let remote = handle.remote(id).unwrap();
    let (payload, mut received) = (pattern(PART), 0);
    let refusal = loop {
        match remote.send(&payload) {
            Ok(()) => sent.fetch_add(1, Ordering::SeqCst),
            Err(error) => break error,
        };
    };
    assert!(matches!(refusal, SendError::Full { limit: LIMIT, .. }), "{refusal}");
    assert_eq!(world.call(move |context| context.ping(id, b"control")), Ok(()));
    while received < sent.load(Ordering::SeqCst) {
        peer.expect(BINARY, &payload);
        received += 1;
    }
    peer.expect(PING, b"control");
    until("an empty queue", || remote.buffered_amount() == 0);
    server.log.wait_for("drain", 1);
    remote.send("again").unwrap();
    peer.expect(TEXT, b"again");
    peer.close(1000, "");
    assert_eq!(server.log.closed().unsent, 0);
}

#[test]
fn what_the_system_did_not_take_is_counted_at_the_end() {
    let world = World::new();
    let server = world.serve(Script::default().on_open(|ws, _| {
        ws.send(&pattern(32 << 20)).unwrap();
    }));
    let peer = server.peer();
    let id = server.log.opened();
    let remote = world.handle().remote(id).unwrap();
    let queued = world.call(move |context| context.buffered_amount(id));
    assert!(queued > 1 << 20, "the system took nearly all: {queued} bytes are left");
    peer.reset();
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (1006, false));
    assert!(close.unsent > 1 << 20 && close.unsent <= queued, "{close:?}");
    assert_eq!(remote.buffered_amount(), close.unsent, "it stays as it was at the end");
    assert_eq!(remote.send("late"), Err(SendError::Closed));
    assert_eq!(remote.buffered_amount(), close.unsent);
}

#[test]
fn a_large_message_may_overshoot_an_empty_queue() {
    let world = World::new();
    let tuning = Tuning { max_send_buffer: 1_000, ..Tuning::default() };
    let server = world.serve_with(
        options().tuning(tuning),
        Script::default().on_message(|ws, _| {
            ws.send(&pattern(100_000)).unwrap();
            assert!(matches!(ws.send("more"), Err(SendError::Full { .. })));
        }),
    );
    let mut peer = server.peer();
    for _ in 0..3 {
        peer.send(TEXT, b"go");
        peer.expect(BINARY, &pattern(100_000));
        let id = server.log.opened();
        until("an empty queue", || world.call(move |context| context.buffered_amount(id)) == 0);
    }
    peer.close(1000, "");
}

#[test]
fn closing_a_server_leaves_its_connections_alone() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let id = server.id;
    assert!(world.call(move |context| context.close_server(id)));
    assert!(!world.call(move |context| context.close_server(id)), "the id is dead");
    assert_eq!(world.call(move |context| context.server_port(id)), None);
    assert!(std::net::TcpStream::connect(("127.0.0.1", server.port)).is_err());
    peer.send(TEXT, b"here");
    peer.expect(TEXT, b"here");
    peer.close(1000, "");
}

#[test]
fn a_dead_id_is_an_error_and_never_another_connection() {
    let world = World::new();
    let server = world.echo();
    let mut first = server.peer();
    let dead = server.log.opened();
    first.close(1000, "");
    drop(first);
    server.log.closed();
    let mut second = server.peer();
    let foreign = ConnId::from_u64(u64::MAX);
    for id in [dead, foreign, ConnId::from_u64(0)] {
        let results = world.call(move |context| {
            context.abort(id);
            context.set_tag(id, 7);
            assert!(context.remote(id).is_none());
            assert_eq!((context.tag(id), context.buffered_amount(id)), (0, 0));
            assert_eq!(context.ready_state(id), ReadyState::Closed);
            (context.send(id, "x"), context.ping(id, b""), context.close(id, None, ""))
        });
        assert_eq!(results, (Err(SendError::Closed), Err(SendError::Closed), Ok(())));
        assert!(world.handle().remote(id).is_none());
    }
    second.send(TEXT, b"unharmed");
    second.expect(TEXT, b"unharmed");
    second.close(1000, "");
}

#[test]
fn a_shutdown_says_1001_to_everybody_and_waits_for_the_answers() {
    let log = Log::default();
    let mut peers = Vec::new();
    {
        let world = World::new();
        let server = world.serve(Script::new(&log));
        for _ in 0..20 {
            peers.push(server.peer());
        }
        let mut answering = peers.split_off(10);
        let answers = std::thread::spawn(move || {
            for peer in &mut answering {
                peer.expect(CLOSE, &close_payload(1001, ""));
                peer.send(CLOSE, &close_payload(1001, ""));
                peer.expect_end();
            }
        });
        log.wait_for("open", 20);
        drop(world);
        answers.join().unwrap();
    }
    let closes = log.closes(20);
    let clean = closes.iter().filter(|close| close.clean && close.code == 1001).count();
    assert_eq!(clean, 10, "those that answered");
    let aborted = closes.iter().filter(|close| !close.clean && close.code == 1006).count();
    assert_eq!(aborted, 10, "those that did not");
}

#[test]
fn a_message_borrows_any_kind_of_payload() {
    let world = World::new();
    let server = world.serve(Script::default().on_open(|ws, _| {
        ws.send(&"string".to_owned()).unwrap();
        ws.send(&vec![1, 2]).unwrap();
        ws.send(Message::from_parts(MessageKind::Text, b"raw")).unwrap();
    }));
    let mut peer = server.peer();
    peer.expect(TEXT, b"string");
    peer.expect(BINARY, &[1, 2]);
    peer.expect(TEXT, b"raw");
    peer.close(1000, "");
}
