//! Clients and servers over real sockets: what callbacks come in what order.

use tightwire::{CloseError, ErrorCode, MessageKind, Phase, ReadyState, SendError};

use crate::support::{
    self, BINARY, CLOSE, CONTINUATION, Event, Log, PING, PONG, Peer, Script, TEXT, World,
    close_payload, listen, pattern,
};

#[test]
fn both_roles_see_the_whole_conversation_in_order() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| {
        ws.send("grüße").unwrap();
        ws.send(&[0u8, 255]).unwrap();
        ws.ping(b"hm").unwrap();
        ws.send("").unwrap();
        ws.close(Some(1000), "done").unwrap();
    });
    world.dial(&server.url(), script);
    let close = log.closed();
    assert_eq!((close.code, close.reason.as_str(), close.clean), (1000, "done", true), "{close:?}");
    let close = server.log.closed();
    assert_eq!((close.code, close.reason.as_str(), close.clean), (1000, "done", true), "{close:?}");
    assert_eq!(
        log.briefs(),
        ["open", "text grüße", "binary of 2", "pong hm", "text ", "close 1000"]
    );
    assert_eq!(
        server.log.briefs(),
        ["request /", "open", "text grüße", "binary of 2", "ping hm", "text ", "close 1000"]
    );
}

#[test]
fn messages_of_all_sizes_come_back_whole() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let remote = world.client(&server, Script::new(&log));
    let mut peer = server.peer();
    let sizes = [0, 1, 125, 126, 127, 16_383, 16_384, 65_535, 65_536, 262_143, 1 << 20, 5 << 20, 3];
    for size in sizes {
        let payload = pattern(size);
        remote.send(&payload).unwrap();
        peer.send(BINARY, &payload);
        peer.expect(BINARY, &payload);
        log.wait("the echo", |events| match events.last() {
            Some((_, Event::Binary(data))) if data.len() == size => {
                assert!(*data == payload, "{size} bytes came back changed");
                Some(())
            }
            _ => None,
        });
    }
    peer.close(1000, "");
}

#[test]
fn many_small_messages_keep_their_order() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let mut bytes = Vec::new();
    for number in 0..5_000 {
        bytes.extend(support::frame(true, TEXT, true, format!("{number}").as_bytes()));
    }
    let mut writer = Peer::on(peer.stream.try_clone().unwrap(), true);
    let sender = std::thread::spawn(move || writer.write(&bytes));
    for number in 0..5_000 {
        peer.expect(TEXT, format!("{number}").as_bytes());
    }
    sender.join().unwrap();
    peer.close(1000, "");
}

#[test]
fn a_message_in_parts_lets_control_frames_through_and_nothing_else() {
    let world = World::new();
    let server = world.serve(Script::default().on_open(|ws, _| {
        ws.send_part(Some(MessageKind::Text), b"one ", false).unwrap();
        assert_eq!(ws.send("two"), Err(SendError::InParts));
        assert_eq!(ws.send_part(Some(MessageKind::Binary), b"", true), Err(SendError::InParts));
        ws.ping(b"amid").unwrap();
        ws.send_part(None, b"", false).unwrap();
        ws.send_part(None, b"message", true).unwrap();
        ws.send("two").unwrap();
    }));
    let mut peer = server.peer();
    let frames: Vec<_> = (0..5).map(|_| peer.frame()).collect();
    let shape: Vec<_> = frames.iter().map(|frame| (frame.opcode, frame.fin)).collect();
    let expected =
        [(TEXT, false), (PING, true), (CONTINUATION, false), (CONTINUATION, true), (TEXT, true)];
    assert_eq!(shape, expected);
    peer.close(1000, "");

    // Our own client puts the same message together.
    let log = Log::default();
    world.client(&server, Script::new(&log));
    log.wait_for("text two", 1);
    assert_eq!(log.briefs(), ["open", "ping amid", "text one message", "text two"]);
}

#[test]
fn fragments_of_the_peer_become_one_message() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let payload = pattern(300_000);
    let (first, rest) = payload.split_at(70_000);
    peer.send_part(BINARY, first, false);
    peer.send(PING, b"amid");
    for part in rest.chunks(1_000) {
        peer.send_part(CONTINUATION, part, false);
    }
    peer.send_part(CONTINUATION, b"", true);
    peer.expect(PONG, b"amid");
    peer.expect(BINARY, &payload);
    peer.close(1000, "");
}

#[test]
fn pings_are_answered_in_order_and_pongs_are_reported() {
    let world = World::new();
    let server = world.serve(Script::default().on_message(|ws, message| {
        assert_eq!(ws.ping(&[0; 126]), Err(SendError::TooLong));
        ws.ping(message.data()).unwrap();
    }));
    let mut peer = server.peer();
    for payload in [&b""[..], b"1", &[b'x'; 125]] {
        peer.send(PING, payload);
        peer.expect(PONG, payload);
    }
    peer.send(PONG, b"nobody asked");
    peer.send(TEXT, b"ping me");
    peer.expect(PING, b"ping me");
    peer.send(PONG, b"ping me");
    peer.close(1000, "");
    server.log.closed();
    let pongs: Vec<_> = server.log.briefs().into_iter().filter(|b| b.starts_with("pong")).collect();
    assert_eq!(pongs, ["pong nobody asked", "pong ping me"]);
}

#[test]
fn close_codes_and_reasons_arrive_in_both_directions() {
    let cases = [
        (None, ""),
        (Some(1000), ""),
        (Some(1001), "going"),
        (Some(1011), "oops"),
        (Some(3000), "registered"),
        (Some(4999), "größe"),
    ];
    let world = World::new();
    for (code, reason) in cases {
        let payload = code.map_or_else(Vec::new, |code| close_payload(code, reason));
        let seen = code.unwrap_or(1005);
        // The peer closes.
        let server = world.echo();
        let mut peer = server.peer();
        peer.send(CLOSE, &payload);
        peer.expect(CLOSE, &payload);
        peer.expect_end();
        drop(peer);
        let close = server.log.closed();
        assert_eq!((close.code, close.reason.as_str(), close.clean), (seen, reason, true));
        // Our server closes, the peer echoes.
        let server =
            world.serve(Script::default().on_open(move |ws, _| ws.close(code, reason).unwrap()));
        let mut peer = server.peer();
        peer.expect(CLOSE, &payload);
        peer.send(CLOSE, &payload);
        peer.expect_end();
        drop(peer);
        let close = server.log.closed();
        assert_eq!((close.code, close.reason.as_str(), close.clean), (seen, reason, true));
        // Our client closes; it lets the server end TCP.
        let (listener, port) = listen();
        let log = Log::default();
        let script = Script::new(&log).on_open(move |ws, _| ws.close(code, reason).unwrap());
        world.dial(&format!("ws://127.0.0.1:{port}"), script);
        let mut peer = Peer::accept_upgraded(&listener);
        peer.expect(CLOSE, &payload);
        peer.send(CLOSE, &payload);
        peer.half_close();
        peer.expect_end();
        let close = log.closed();
        assert_eq!((close.code, close.reason.as_str(), close.clean), (seen, reason, true));
    }
}

#[test]
fn codes_that_must_not_be_sent_are_refused_and_change_nothing() {
    let world = World::new();
    let log = Log::default();
    let server = world.echo();
    let remote = world.client(&server, Script::new(&log));
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, u16::MAX] {
        assert_eq!(remote.close(Some(code), ""), Err(CloseError::InvalidCode(code)));
    }
    let long = "x".repeat(124);
    assert_eq!(remote.close(Some(1000), &long), Err(CloseError::ReasonTooLong(124)));
    assert_eq!(remote.close(None, "why"), Err(CloseError::ReasonWithoutCode));
    assert_eq!(remote.ready_state(), ReadyState::Open);
    remote.close(Some(1000), &long[..123]).unwrap();
    assert!(log.closed().clean);
}

#[test]
fn every_close_code_of_the_peer_is_taken_or_fails_the_connection() {
    let world = World::new();
    let cases: [(&[u8], Option<u16>); 12] = [
        (&[3], None),
        (&[3, 231], None),
        (&[3, 232], Some(1000)),
        (&[3, 236], None),
        (&[3, 237], None),
        (&[3, 238], None),
        (&[3, 246], Some(1014)),
        (&[3, 247], None),
        (&[11, 183], None),
        (&[11, 184], Some(3000)),
        (&[0x13, 0x88], None),
        (&[3, 232, 0xff], None),
    ];
    for (payload, taken) in cases {
        let server = world.echo();
        let mut peer = server.peer();
        peer.send(CLOSE, payload);
        let answer = peer.frame();
        drop(peer);
        let close = server.log.closed();
        match taken {
            Some(code) => {
                assert_eq!(answer.payload, payload);
                assert_eq!((close.code, close.clean), (code, true));
            }
            None => {
                let expected = if payload.len() > 2 { 1007u16 } else { 1002 };
                assert_eq!(answer.payload, expected.to_be_bytes(), "{payload:?}");
                assert_eq!((close.code, close.clean), (1006, false));
                assert_eq!(close.error.unwrap().phase(), Phase::Protocol);
            }
        }
    }
}

#[test]
fn frames_behind_a_close_are_ignored() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let mut bytes = support::frame(true, CLOSE, true, &close_payload(1000, ""));
    bytes.extend(support::frame(true, TEXT, true, b"too late"));
    bytes.extend([0xff; 100]);
    peer.write(&bytes);
    peer.expect(CLOSE, &close_payload(1000, ""));
    peer.expect_end();
    drop(peer);
    assert!(server.log.closed().clean);
    assert!(server.log.texts().is_empty());
}

#[test]
fn what_was_sent_before_a_close_arrives_before_it() {
    let world = World::new();
    let payload = pattern(3 << 20);
    let sent = payload.clone();
    let server = world.serve(Script::default().on_open(move |ws, _| {
        ws.send(&sent).unwrap();
        ws.close(Some(4000), "after it").unwrap();
        assert_eq!(ws.send("too late"), Err(SendError::Closed));
        assert_eq!(ws.ready_state(), ReadyState::Closing);
        ws.close(Some(4001), "twice").unwrap();
    }));
    let mut peer = server.peer();
    peer.expect(BINARY, &payload);
    peer.expect(CLOSE, &close_payload(4000, "after it"));
    peer.send(CLOSE, &close_payload(4000, "after it"));
    peer.expect_end();
    drop(peer);
    assert!(server.log.closed().clean);
}

#[test]
fn messages_that_came_before_a_failure_are_delivered_and_answered() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let mut bytes = support::frame(true, TEXT, true, b"good");
    bytes.extend(support::frame(false, TEXT, true, b"partial"));
    bytes.extend(support::frame(true, TEXT, true, b"not a continuation"));
    peer.write(&bytes);
    peer.expect(TEXT, b"good");
    assert_eq!(peer.frame().payload, 1002u16.to_be_bytes());
    peer.expect_end();
    drop(peer);
    let error = server.log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Protocol, ErrorCode::Protocol), "{error}");
    assert_eq!(server.log.texts(), ["good"]);
}

#[test]
fn an_abort_ends_the_connection_without_a_close_frame() {
    let world = World::new();
    let server = world.serve(Script::default().on_message(|ws, _| {
        ws.abort();
        assert_eq!(ws.send("too late"), Err(SendError::Closed));
        ws.abort();
    }));
    let mut peer = server.peer();
    peer.send(TEXT, b"go");
    assert_eq!(peer.try_frame(), None);
    let error = server.log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::App, ErrorCode::Shutdown), "{error}");

    let log = Log::default();
    let server = world.echo();
    let remote = world.client(&server, Script::new(&log));
    remote.abort();
    assert_eq!(log.failed().phase(), Phase::App);
    assert_eq!(server.log.failed().code(), ErrorCode::Reset);
    assert_eq!(remote.ready_state(), ReadyState::Closed);
}
