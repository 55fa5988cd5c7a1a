//! Peers that break off, break the rules or ask too much.

use tightwire::{ErrorCode, Phase, Tuning};

use crate::support::{
    self, BINARY, CLOSE, CONTINUATION, Log, PING, PONG, Peer, Script, TEXT, World, close_payload,
    frame, listen, options, pattern, request,
};

fn still_serves(server: &support::Server) {
    let mut peer = server.peer();
    peer.send(TEXT, b"alive?");
    peer.expect(TEXT, b"alive?");
    peer.close(1000, "");
    peer.expect_end();
}

/// A request and what follows it.
fn conversation() -> Vec<u8> {
    let mut bytes = request("/", "localhost", "").into_bytes();
    bytes.extend(frame(true, TEXT, true, b"first"));
    bytes.extend(frame(true, PING, true, b"now"));
    bytes.extend(frame(false, BINARY, true, &pattern(300)));
    bytes.extend(frame(true, CONTINUATION, true, &pattern(40)));
    bytes.extend(frame(true, CLOSE, true, &close_payload(1000, "bye")));
    bytes
}

#[test]
fn a_server_survives_an_end_and_a_reset_at_every_byte() {
    let world = World::new();
    let server = world.echo();
    let bytes = conversation();
    let head = request("/", "localhost", "").len();
    let mut opened = 0;
    for cut in 0..bytes.len() {
        for reset in [false, true] {
            let mut peer = server.tcp();
            peer.write(&bytes[..cut]);
            if cut >= head {
                opened += 1;
                server.log.wait_for("open", opened);
            }
            if reset {
                peer.reset();
            }
        }
    }
    let closes = server.log.closes(opened);
    assert_eq!(closes.len(), opened);
    for close in closes {
        let error = close.error.expect("no closing handshake was completed");
        assert_eq!((close.code, close.clean), (1006, false));
        assert_eq!((error.phase(), error.code()), (Phase::Tcp, ErrorCode::Reset), "{error}");
    }
    still_serves(&server);
}

#[test]
fn a_client_survives_an_end_and_a_reset_at_every_byte() {
    let world = World::new();
    let (listener, port) = listen();
    let url = format!("ws://127.0.0.1:{port}/");
    let frames = [
        frame(true, TEXT, false, b"first"),
        frame(true, PING, false, b"now"),
        frame(true, CLOSE, false, &close_payload(1000, "bye")),
    ]
    .concat();
    let head = Peer::<std::net::TcpStream>::answer_to("Sec-WebSocket-Key: x", "").len();
    for cut in 0..head + frames.len() {
        for reset in [false, true] {
            let log = Log::default();
            world.dial(&url, Script::new(&log));
            let mut peer = Peer::accept(&listener);
            let answer = Peer::<std::net::TcpStream>::answer_to(&peer.head(), "");
            let bytes = [answer.as_bytes(), &frames].concat();
            peer.write(&bytes[..cut]);
            if cut >= head {
                log.opened();
            }
            if reset {
                peer.reset();
            } else {
                drop(peer);
            }
            let error = log.failed();
            let early = cut < head;
            let phase = if early && !reset { Phase::Upgrade } else { Phase::Tcp };
            // A reset may overtake what was sent before it, and an end may come as a reset.
            assert!(error.phase() == phase || error.phase() == Phase::Tcp, "{cut}: {error}");
            assert_eq!(log.briefs()[0] == "open", !early, "{cut}");
        }
    }
}

#[test]
fn a_half_close_without_a_close_frame_is_unclean_but_what_came_before_counts() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    peer.write(&[frame(true, TEXT, true, b"last words"), vec![0x81, 0x85, 1, 2]].concat());
    peer.half_close();
    peer.expect(TEXT, b"last words");
    peer.expect_end();
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (1006, false));
    let error = close.error.unwrap();
    assert!(error.to_string().contains("without a Close frame"), "{error}");
    assert_eq!(server.log.texts(), ["last words"]);
}

#[test]
fn a_close_and_the_end_of_the_stream_in_one_packet_are_clean() {
    let world = World::new();
    let server = world.echo();
    for _ in 0..20 {
        let mut peer = server.peer();
        peer.write(
            &[
                frame(true, TEXT, true, b"last words"),
                frame(true, CLOSE, true, &close_payload(1000, "")),
            ]
            .concat(),
        );
        peer.half_close();
        peer.expect(TEXT, b"last words");
        peer.expect(CLOSE, &close_payload(1000, ""));
        peer.expect_end();
    }
    assert!(server.log.closes(20).iter().all(|close| close.clean));
}

#[test]
fn the_whole_conversation_in_one_packet_or_byte_by_byte_is_the_same() {
    let world = World::new();
    let server = world.echo();
    let bytes = conversation();
    for step in [1, 2, 7, 64, bytes.len()] {
        let mut peer = server.tcp();
        let mut writer = peer.stream.try_clone().unwrap();
        let pieces: Vec<_> = bytes.chunks(step).map(<[u8]>::to_vec).collect();
        let trickle = std::thread::spawn(move || {
            use std::io::Write as _;
            for piece in pieces {
                writer.write_all(&piece).unwrap();
            }
        });
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer.expect(TEXT, b"first");
        peer.expect(PONG, b"now");
        peer.expect(BINARY, &[pattern(300), pattern(40)].concat());
        peer.expect(CLOSE, &close_payload(1000, "bye"));
        peer.expect_end();
        trickle.join().unwrap();
    }
    let expected = ["open", "text first", "ping now", "binary of 340", "close 1000"];
    server.log.closes(5);
    for events in server.log.briefs().chunks(6) {
        assert_eq!(events[0], "request /");
        assert_eq!(events[1..], expected);
    }
}

#[test]
fn frames_behind_the_101_arrive_after_on_open() {
    let world = World::new();
    let (listener, port) = listen();
    for step in [1, 1_000] {
        let log = Log::default();
        let script = Script::new(&log).on_message(|ws, message| ws.send(message).unwrap());
        world.dial(&format!("ws://127.0.0.1:{port}/"), script);
        let mut peer = Peer::accept(&listener);
        let answer = Peer::<std::net::TcpStream>::answer_to(&peer.head(), "");
        let bytes = [
            answer.into_bytes(),
            frame(true, TEXT, false, b"early"),
            frame(true, CLOSE, false, &close_payload(1000, "")),
        ]
        .concat();
        for piece in bytes.chunks(step) {
            peer.write(piece);
        }
        peer.expect(TEXT, b"early");
        peer.expect(CLOSE, &close_payload(1000, ""));
        drop(peer);
        assert!(log.closed().clean);
        assert_eq!(log.briefs(), ["open", "text early", "close 1000"]);
    }
}

#[test]
fn interim_answers_before_the_101_are_skipped() {
    let world = World::new();
    let (listener, port) = listen();
    let log = Log::default();
    world.dial(&format!("ws://127.0.0.1:{port}/"), Script::new(&log));
    let mut peer = Peer::accept(&listener);
    let head = peer.head();
    peer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    peer.write(Peer::<std::net::TcpStream>::answer_to(&head, "").as_bytes());
    log.opened();
    peer.close(1000, "");
}

#[test]
fn answers_that_open_nothing_fail_with_their_cause() {
    let world = World::new();
    let (listener, port) = listen();
    let wrong_key = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (answer, text) in [
        (wrong_key, "Sec-WebSocket-Accept"),
        ("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", "Connection"),
        ("HTTP/1.1 101 x\r\nConnection: Upgrade\r\n\r\n", "Upgrade"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 OK: hi"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found"),
        ("HTTP/1.1 301 Moved\r\nLocation: ws://x/\r\nContent-Length: 0\r\n\r\n", "301 Moved"),
        ("HTTP/1.0 503 Busy\r\n\r\ntry later\nor not", "503 Busy: try later"),
        ("SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
        ("\x15\x03\x01\0\x02\x02\x28", "use wss"),
    ] {
        let log = Log::default();
        world.dial(&format!("ws://127.0.0.1:{port}/"), Script::new(&log));
        let mut peer = Peer::accept(&listener);
        peer.head();
        peer.write(answer.as_bytes());
        peer.half_close();
        let error = log.failed();
        assert_eq!(error.phase(), Phase::Upgrade, "{error}");
        assert!(error.to_string().contains(text), "{answer:?}: {error}");
        let _ = peer.rest();
    }
}

#[test]
fn a_head_without_end_is_cut_in_both_roles() {
    let world = World::new();
    let (listener, port) = listen();
    let log = Log::default();
    world.dial(&format!("ws://127.0.0.1:{port}/"), Script::new(&log));
    let mut peer = Peer::accept(&listener);
    peer.head();
    peer.write(b"HTTP/1.1 101 Switching Protocols\r\n");
    peer.write(&b"X: y\r\n".repeat(90));
    use std::io::Write as _;
    // The client may be gone before all of it is sent.
    while peer.stream.write_all(&[b'z'; 1_000]).is_ok() {}
    let error = log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Upgrade, ErrorCode::TooBig), "{error}");
    assert!(error.to_string().contains("max_head"), "{error}");

    let server = world.echo();
    for (bytes, status) in [
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(17_000)), "431"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200)), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(17_000)), "414"),
    ] {
        let mut peer = server.tcp();
        peer.write(bytes.as_bytes());
        let answer = peer.head();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
    }
    still_serves(&server);
}

#[test]
fn requests_that_are_none_get_an_http_answer_and_nothing_behind_them_is_read() {
    let world = World::new();
    let server = world.echo();
    let good = request("/", "localhost", "");
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "426"),
        ("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n".to_owned(), "505"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc".to_owned(), "405"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "505"),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{7f}\x03\x03\r\n\r\n".to_owned(), "400"),
        ("garbage\r\n\r\n".to_owned(), "400"),
        (good.replace("Version: 13", "Version: 8"), "426"),
        (good.replace("Host: localhost\r\n", ""), "400"),
        (good.replace("Connection: Upgrade\r\n", ""), "400"),
        (good.replace("ZQ==", "ZQ"), "400"),
        (good.replace("\r\nUpgrade", "\r\n Upgrade"), "400"),
        (good.replace("Host: localhost", "Host : localhost"), "400"),
        (request("/", "localhost", "Host: localhost\r\n"), "400"),
        (request("/", "localhost", "Transfer-Encoding: chunked\r\n"), "400"),
    ] {
        let mut peer = server.tcp();
        peer.write(&[bytes.as_bytes(), good.as_bytes()].concat());
        let answer = String::from_utf8(peer.rest().unwrap()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{bytes:?}: {answer}");
    }
    assert!(server.log.events().is_empty(), "no request was one");
    still_serves(&server);
}

#[test]
fn garbage_behind_the_handshake_fails_the_connection_with_its_code() {
    let world = World::new();
    let server = world.echo();
    let cases: [(&[u8], u16); 9] = [
        (&[0x81, 0x00], 1002),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),
        (&[0x09, 0x80, 0, 0, 0, 0], 1002),
        (&[0x89, 0xfe, 0, 126], 1002),
        (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 1002),
        (&[0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4], 1009),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
    ];
    for (number, (bytes, code)) in cases.into_iter().enumerate() {
        let mut peer = server.peer();
        peer.write(bytes);
        peer.expect(CLOSE, &code.to_be_bytes());
        peer.expect_end();
        drop(peer);
        let close = server.log.closes(number + 1).pop().unwrap();
        assert_eq!((close.code, close.clean), (1006, false), "{bytes:?}");
        let error = close.error.unwrap();
        assert_eq!(error.phase(), Phase::Protocol, "{bytes:?}: {error}");
    }
    still_serves(&server);
}

#[test]
fn messages_and_fragments_over_the_limits_are_refused() {
    let world = World::new();
    let tuning = Tuning { max_message: 1_000, max_empty_fragments: 4, ..Tuning::default() };
    let server = world.serve_with(options().tuning(tuning), Script::echo(&Log::default()));
    let mut peer = server.peer();
    peer.send(BINARY, &pattern(1_000));
    peer.expect(BINARY, &pattern(1_000));
    peer.send_part(BINARY, &pattern(600), false);
    peer.send_part(CONTINUATION, &pattern(401), true);
    peer.expect(CLOSE, &1009u16.to_be_bytes());
    drop(peer);
    let error = server.log.failed();
    assert_eq!(error.code(), ErrorCode::TooBig, "{error}");
    assert!(error.to_string().ends_with("1001 bytes over the limit of 1000 (option: max_message)"));
    assert_eq!((error.size(), error.limit()), (Some(1_001), Some(1_000)));
    let mut peer = server.peer();
    for number in 0..6 {
        peer.send_part(if number == 0 { TEXT } else { CONTINUATION }, b"", false);
    }
    peer.expect(CLOSE, &1008u16.to_be_bytes());
    drop(peer);
    server.log.closes(2);
    still_serves(&server);
}

#[test]
fn a_thousand_peers_that_reset_during_large_sends_leave_nothing_behind() {
    const PEERS: usize = 1_000;
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let world = World::new();
    let payload = pattern(1 << 20);
    let server = world.serve(Script::default().on_message(move |ws, _| {
        for _ in 0..4 {
            ws.send(&payload).unwrap();
        }
    }));
    server.still_answers();
    let before = descriptors();
    for _ in 0..PEERS / 50 {
        let mut peers: Vec<_> = (0..50).map(|_| server.peer()).collect();
        for peer in &mut peers {
            peer.send(TEXT, b"much, please");
        }
        for peer in peers {
            peer.reset();
        }
    }
    let closes = server.log.closes(PEERS + 1);
    assert_eq!(closes.iter().filter(|close| !close.clean).count(), PEERS);
    support::until("no descriptor is left", || descriptors() <= before);
    server.still_answers();
}

#[test]
fn a_flood_of_pings_with_nobody_reading_is_answered_with_bounded_memory() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let ping = frame(true, PING, true, &[b'x'; 125]);
    let flood = ping.repeat(1_000);
    let mut writer = Peer::on(peer.stream.try_clone().unwrap(), true);
    let sender = std::thread::spawn(move || {
        for _ in 0..200 {
            writer.write(&flood);
        }
        writer.send(PING, b"the newest");
        writer.send(TEXT, b"done");
    });
    sender.join().unwrap();
    // Pongs may be left out (5.5.3), but not the one for the newest ping.
    let mut pongs = 0;
    let mut last = Vec::new();
    loop {
        let frame = peer.frame();
        match frame.opcode {
            PONG => {
                pongs += 1;
                last = frame.payload;
            }
            TEXT if last == b"the newest" => break,
            TEXT => {
                peer.expect(PONG, b"the newest");
                break;
            }
            opcode => panic!("opcode {opcode}"),
        }
    }
    assert!(pongs <= 200_001);
    peer.close(1000, "");
}

#[test]
fn a_flood_of_tiny_messages_does_not_starve_the_others() {
    let world = World::new();
    let server = world.serve(Script::default().on_message(|ws, message| {
        if !message.data().is_empty() {
            ws.send(message).unwrap();
        }
    }));
    let attacker = server.peer();
    let flood = frame(true, BINARY, true, b"").repeat(10_000);
    let mut writer = Peer::on(attacker.stream.try_clone().unwrap(), true);
    let sender = std::thread::spawn(move || {
        for _ in 0..100 {
            writer.write(&flood);
        }
    });
    let mut peer = server.peer();
    let mut slowest = std::time::Duration::ZERO;
    for _ in 0..50 {
        let start = support::now();
        peer.send(TEXT, b"me too");
        peer.expect(TEXT, b"me too");
        slowest = slowest.max(start.elapsed());
    }
    sender.join().unwrap();
    assert!(slowest < std::time::Duration::from_secs(2), "{slowest:?}");
    drop(attacker);
}

#[test]
fn an_event_for_a_connection_that_another_one_killed_is_ignored() {
    let world = World::new();
    let server = world.serve(Script::default().on_message(|ws, message| {
        if message.data() == b"kill" {
            let me = ws.id();
            let mut context = ws.context();
            // All ids there may be in this test, dead ones too: slots are used again after a thousand others.
            for slot in 0..1_200 {
                for generation in 1..4 {
                    let id = tightwire::ConnId::from_u64(generation << 24 | slot);
                    if id != me {
                        context.abort(id);
                    }
                }
            }
        }
    }));
    for _ in 0..20 {
        let mut peers: Vec<_> = (0..20).map(|_| server.peer()).collect();
        for peer in &mut peers {
            use std::io::Write as _;
            // The others may be gone already.
            let _ = peer.stream.write_all(&frame(true, TEXT, true, b"kill"));
        }
        let mut survivors = 0;
        for mut peer in peers {
            use std::io::Write as _;
            let _ = peer.stream.write_all(&frame(true, PING, true, b""));
            survivors += usize::from(peer.try_frame().is_some());
        }
        assert!(survivors <= 1, "{survivors} survived");
    }
}
