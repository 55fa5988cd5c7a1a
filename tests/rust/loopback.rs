//! Clients and servers over real sockets: what callbacks come in what order, and what they may do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use support::{
    BINARY, CLOSE, CONTINUATION, Event, Log, PING, PONG, Peer, Script, TEXT, World, close_payload,
    listen, options, pattern, request, until,
};
use tightwire::{
    Client, ClientOptions, CloseError, ConnId, Context, ErrorCode, Message, MessageKind, Phase,
    ReadyState, SendError, Tuning,
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

#[test]
fn a_refusal_reaches_the_clients_error() {
    let world = World::new();
    let server = world.serve(Script::default().on_request(|_, request, reply| {
        assert_eq!(request.target(), "/admin?x=1");
        reply.refuse(403, "members only\nsecond line\n");
    }));
    let log = Log::default();
    world.dial(&format!("{}admin?x=1", server.url()), Script::new(&log));
    let error = log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Upgrade, ErrorCode::Handshake));
    let text = error.to_string();
    assert!(text.contains("403 Forbidden") && text.contains("members only"), "{text}");
    assert!(!text.contains("second line"), "{text}");
    let reply = error.http().unwrap();
    assert_eq!((reply.status, &reply.body[..]), (403, &b"members only\nsecond line\n"[..]));
    assert_eq!(log.briefs(), ["close 1006"]);
    // A client that was refused is no connection of the server's.
    assert_eq!(server.log.briefs(), ["request /admin?x=1"]);

    // `Client::run` reports it as its error.
    let error = Client::new(&format!("{}admin?x=1", server.url()))
        .unwrap()
        .run(Script::default())
        .unwrap_err();
    assert_eq!(error.http().unwrap().status, 403);
}

#[test]
fn the_server_prefers_its_own_order_of_subprotocols() {
    let world = World::new();
    for (ours, offered, agreed) in [
        (&["a", "b"][..], &["b", "a"][..], "a"),
        (&["a", "b"], &["c", "b"], "b"),
        (&["a"], &["A"], ""),
        (&[], &["a"], ""),
        (&["a"], &[], ""),
    ] {
        let server = world.serve_with(options().protocols(ours.iter().copied()), Script::default());
        let mut peer = server.tcp();
        let line = match offered {
            [] => String::new(),
            _ => format!("Sec-WebSocket-Protocol: {}\r\n", offered.join(", ")),
        };
        peer.write(request("/", "localhost", &line).as_bytes());
        let head = peer.head();
        let chosen = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(chosen.unwrap_or_default(), agreed, "{ours:?} {offered:?}");
        peer.close(1000, "");
    }
    // Client and server tell their applications the same.
    let server = world.serve_with(
        options().protocols(["soap", "wamp"]),
        Script::default().on_request(|_, request, reply| {
            assert_eq!(request.protocols().collect::<Vec<_>>(), ["wamp", "soap"]);
            reply.protocol(Some("wamp"));
        }),
    );
    let log = Log::default();
    let options = ClientOptions::new(&server.url()).unwrap().protocol("wamp").protocol("soap");
    let id = world.dial_with(options, Script::new(&log));
    log.opened();
    let remote = world.handle().remote(id).unwrap();
    assert_eq!((remote.protocol(), remote.extensions()), ("wamp".to_owned(), String::new()));
    assert_eq!(remote.url(), server.url());
    assert_eq!(remote.remote_addr().unwrap().port(), server.port);
    let (_, open) = server.log.wait("open", |events| events.get(1).cloned());
    assert!(
        matches!(open, Event::Open { url, protocol } if protocol == "wamp" && url == server.url())
    );
}

#[test]
fn a_subprotocol_that_was_not_offered_is_a_server_error() {
    let world = World::new();
    let server = world.serve(Script::default().on_request(|_, _, reply| {
        reply.protocol(Some("mine"));
    }));
    let mut peer = server.tcp();
    peer.write(request("/", "localhost", "").as_bytes());
    let answer = String::from_utf8(peer.rest().unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("mine"), "{answer}");
}

#[test]
fn headers_travel_both_ways() {
    let world = World::new();
    let server = world.serve(
        Script::default()
            .on_request(|_, request, reply| {
                assert_eq!(request.headers().get("X-Token"), Some("abc"));
                assert_eq!(request.headers().get("authorization"), Some("Basic dTpw"));
                reply.header("X-Answer", "def");
            })
            .on_open(|_, opening| assert_eq!(opening.headers.get("x-token"), Some("abc"))),
    );
    let log = Log::default();
    let url = format!("ws://u:p@127.0.0.1:{}/", server.port);
    let options = ClientOptions::new(&url).unwrap().header("x-token", "abc");
    let script = Script::new(&log).on_open(|ws, opening| {
        assert_eq!(opening.headers.get("X-ANSWER"), Some("def"));
        ws.close(Some(1000), "").unwrap();
    });
    world.dial_with(options, script);
    assert!(log.closed().clean);
    assert!(server.log.closed().clean);
}

#[test]
fn a_header_that_cannot_be_sent_is_a_server_error() {
    let world = World::new();
    let server = world.serve(Script::default().on_request(|_, _, reply| {
        reply.header("X-A", "b\r\nSet-Cookie: c");
    }));
    let mut peer = server.tcp();
    peer.write(request("/", "localhost", "").as_bytes());
    let answer = String::from_utf8(peer.rest().unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 ") && !answer.contains("Cookie"), "{answer}");
}

#[test]
fn pages_of_other_origins_and_rebound_names_are_refused() {
    let world = World::new();
    let server = world.serve_with(options().origins(["https://example.com"]), Script::default());
    let host = format!("localhost:{}", server.port);
    for (host, origin, status, text) in [
        (host.as_str(), None, 101, ""),
        (&host, Some(format!("http://{host}")), 101, ""),
        (&host, Some("https://example.com".to_owned()), 101, ""),
        (&host, Some("https://example.com.evil".to_owned()), 403, "option: origins"),
        (&host, Some("http://example.com".to_owned()), 403, "option: origins"),
        (&host, Some("null".to_owned()), 403, "option: origins"),
        ("evil.example", None, 403, "loopback"),
        ("evil.example", Some("http://evil.example".to_owned()), 403, "loopback"),
        ("127.0.0.1.evil.example", None, 403, "loopback"),
        ("[::1]:80", None, 101, ""),
    ] {
        let line = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
        let mut peer = server.tcp();
        peer.write(request("/", host, &line).as_bytes());
        let head = peer.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {line}: {head}");
        if status == 101 {
            peer.close(1000, "");
        } else {
            let body = String::from_utf8(peer.rest().unwrap()).unwrap();
            assert!(body.contains(text), "{host} {line}: {body}");
        }
    }
}

#[test]
fn clients_over_the_limit_get_503_until_one_leaves() {
    let world = World::new();
    let server = world.serve_with(options().max_connections(2), Script::default());
    let mut first = server.peer();
    let second = server.peer();
    let mut third = server.tcp();
    third.write(request("/", "localhost", "").as_bytes());
    let answer = String::from_utf8(third.rest().unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("max_connections"), "{answer}");
    drop(third);
    first.close(1000, "");
    drop(first);
    server.log.closed();
    until("a free place", || {
        let mut fourth = server.tcp();
        fourth.write(request("/", "localhost", "").as_bytes());
        fourth.head().starts_with("HTTP/1.1 101 ")
    });
    drop(second);
}

/// A peer of a fresh connection after it made the server run this callback.
const CALLBACKS: [&str; 7] = ["request", "open", "message", "ping", "pong", "drain", "close"];

type Act = Arc<Mutex<dyn FnMut(&mut Context<'_>, ConnId) + Send>>;

/// A server that calls `act` in one of its callbacks, on every connection whose path is `/act`.
fn acting(world: &World, callback: &'static str, act: Act) -> support::Server {
    let tuning = Tuning { high_water: 1_024, ..Tuning::default() };
    let run = move |name: &str, context: &mut Context<'_>, id: ConnId| {
        let mine = context.tag(id) == 1 || name == "request" || name == "close";
        if name == callback && mine {
            (act.lock().unwrap_or_else(std::sync::PoisonError::into_inner))(context, id);
        }
    };
    let [request, open, message, ping, pong, drain, close] = [0; 7].map(|_| run.clone());
    let acting = Arc::new(AtomicU64::new(0));
    let acted = Arc::clone(&acting);
    let script = Script::default()
        .on_request(move |context, asked, _| {
            acting.store(u64::from(asked.target() == "/act"), Ordering::SeqCst);
            if asked.target() == "/act" {
                request("request", context, ConnId::from_u64(0));
            }
        })
        .on_open(move |ws, _| {
            ws.set_tag(acted.load(Ordering::SeqCst));
            let id = ws.id();
            open("open", &mut ws.context(), id);
        })
        .on_message(move |ws, told| {
            let id = ws.id();
            if told.data() == b"drain" {
                return ws.send(&[0u8; 8_000]).unwrap();
            }
            message("message", &mut ws.context(), id);
        })
        .on_ping(move |ws, _| {
            let id = ws.id();
            ping("ping", &mut ws.context(), id);
        })
        .on_pong(move |ws, _| {
            let id = ws.id();
            pong("pong", &mut ws.context(), id);
        })
        .on_drain(move |ws| {
            let id = ws.id();
            drain("drain", &mut ws.context(), id);
        })
        .on_close(move |context, id, event| {
            if event.tag == 1 {
                close("close", context, id);
            }
        });
    world.serve_with(options().tuning(tuning), script)
}

/// Makes a connection, and on it the callback. What comes before the callback is read.
fn provoke(server: &support::Server, callback: &str) -> Peer {
    let mut peer = server.tcp();
    peer.write(request("/act", "localhost", "").as_bytes());
    if callback == "request" {
        return peer;
    }
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    match callback {
        "message" => peer.send(TEXT, b"go"),
        "ping" => {
            peer.send(PING, b"go");
            peer.expect(PONG, b"go");
        }
        "pong" => peer.send(PONG, b"go"),
        "drain" => {
            peer.send(TEXT, b"drain");
            peer.expect(BINARY, &[0; 8_000]);
        }
        "close" => peer.close(1000, ""),
        _ => {}
    }
    peer
}

fn still_serves(server: &support::Server) {
    let mut peer = server.peer();
    peer.send(PING, b"alive?");
    peer.expect(PONG, b"alive?");
    peer.close(1000, "");
    peer.expect_end();
}

#[test]
fn a_panic_in_any_callback_fails_its_connection_only() {
    let world = World::new();
    for callback in CALLBACKS {
        let act = Arc::new(Mutex::new(|_: &mut Context<'_>, _: ConnId| panic!("on purpose")));
        let server = acting(&world, callback, act);
        let mut witness = server.peer();
        let mut peer = provoke(&server, callback);
        match callback {
            "request" => {
                let answer = String::from_utf8(peer.rest().unwrap()).unwrap();
                assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
                assert!(!answer.contains("on purpose"), "inner details: {answer}");
            }
            "close" => peer.expect_end(),
            _ => {
                peer.expect(CLOSE, &1011u16.to_be_bytes());
                peer.expect_end();
                drop(peer);
                let error = server.log.failed();
                let seen = (error.phase(), error.code());
                assert_eq!(seen, (Phase::App, ErrorCode::Internal), "{callback}: {error}");
            }
        }
        witness.send(PING, b"still?");
        witness.expect(PONG, b"still?");
        still_serves(&server);
    }
}

#[test]
fn a_panic_in_a_clients_callback_or_a_posted_job_leaves_the_loop_alone() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let script = Script::new(&log)
        .on_open(|ws, _| ws.send("boo").unwrap())
        .on_message(|_, _| panic!("on purpose"));
    world.dial(&server.url(), script);
    assert_eq!(log.failed().code(), ErrorCode::Internal);
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (1011, true));
    assert!(world.handle().post(Box::new(|_| panic!("on purpose"))));
    still_serves(&server);
}

#[test]
fn every_callback_may_send_to_close_and_abort_its_own_connection() {
    let world = World::new();
    for callback in CALLBACKS {
        for action in ["send", "close", "abort"] {
            let outcome = Arc::new(Mutex::new(None));
            let told = Arc::clone(&outcome);
            let act = move |context: &mut Context<'_>, id: ConnId| {
                let result = match action {
                    "send" => context.send(id, "mine").map_err(|error| error.to_string()),
                    "close" => {
                        context.close(id, Some(4001), "mine").map_err(|error| error.to_string())
                    }
                    _ => {
                        context.abort(id);
                        Ok(())
                    }
                };
                *told.lock().unwrap() = Some(result);
            };
            let server = acting(&world, callback, Arc::new(Mutex::new(act)));
            let mut peer = provoke(&server, callback);
            let what = format!("{action} in on_{callback}");
            match (callback, action) {
                // There is no connection yet.
                ("request", _) => {
                    assert!(peer.head().starts_with("HTTP/1.1 101 "), "{what}");
                    peer.close(1000, "");
                    server.log.closed();
                }
                // There is no connection any more.
                ("close", _) => {
                    peer.expect_end();
                    server.log.closed();
                }
                (_, "send") => {
                    peer.expect(TEXT, b"mine");
                    peer.close(1000, "");
                    assert!(server.log.closed().clean, "{what}");
                }
                (_, "close") => {
                    peer.expect(CLOSE, &close_payload(4001, "mine"));
                    peer.send(CLOSE, &close_payload(4001, "mine"));
                    peer.expect_end();
                    drop(peer);
                    assert!(server.log.closed().clean, "{what}");
                }
                _ => {
                    assert_eq!(peer.try_frame(), None, "{what}");
                    assert_eq!(server.log.failed().phase(), Phase::App, "{what}");
                }
            }
            until("the callback", || outcome.lock().unwrap().is_some());
            let outcome = outcome.lock().unwrap().take().unwrap();
            let fails = action == "send" && matches!(callback, "request" | "close");
            assert_eq!(outcome.is_err(), fails, "{what}: {outcome:?}");
            still_serves(&server);
        }
    }
}

#[test]
fn every_callback_may_send_to_close_and_abort_another_connection() {
    let world = World::new();
    for callback in CALLBACKS {
        for action in ["send", "close", "abort"] {
            let other = Arc::new(AtomicU64::new(0));
            let target = Arc::clone(&other);
            let act = move |context: &mut Context<'_>, _: ConnId| {
                let id = ConnId::from_u64(target.load(Ordering::SeqCst));
                match action {
                    "send" => context.send(id, "yours").unwrap(),
                    "close" => context.close(id, Some(4002), "yours").unwrap(),
                    _ => context.abort(id),
                }
            };
            let server = acting(&world, callback, Arc::new(Mutex::new(act)));
            let mut bystander = server.peer();
            other.store(server.log.opened().to_u64(), Ordering::SeqCst);
            let mut peer = provoke(&server, callback);
            let what = format!("{action} in on_{callback}");
            match action {
                "send" => {
                    bystander.expect(TEXT, b"yours");
                    bystander.close(1000, "");
                }
                "close" => {
                    bystander.expect(CLOSE, &close_payload(4002, "yours"));
                    bystander.send(CLOSE, &close_payload(4002, "yours"));
                }
                _ => assert_eq!(bystander.try_frame(), None, "{what}"),
            }
            // The connection whose callback it was goes on.
            match callback {
                "request" => {
                    assert!(peer.head().starts_with("HTTP/1.1 101 "), "{what}");
                    peer.close(1000, "");
                }
                "close" => {}
                _ => peer.close(1000, ""),
            }
            peer.expect_end();
            drop((peer, bystander));
            let clean = server.log.closes(2).iter().filter(|close| close.clean).count();
            assert_eq!(clean, if action == "abort" { 1 } else { 2 }, "{what}");
            still_serves(&server);
        }
    }
}

#[test]
fn every_callback_may_connect() {
    let world = World::new();
    let echo = world.echo();
    for callback in CALLBACKS {
        let (tx, rx) = mpsc::channel();
        let url = echo.url();
        let act = move |context: &mut Context<'_>, _: ConnId| {
            let log = Log::default();
            let script = Script::new(&log).on_open(|ws, _| ws.close(Some(1000), "").unwrap());
            let options = ClientOptions::new(&url).unwrap();
            let id = context.connect(&options, Box::new(script)).unwrap();
            assert_eq!(context.ready_state(id), ReadyState::Connecting);
            assert!(log.events().is_empty(), "a callback inside connect");
            tx.send(log).unwrap();
        };
        let server = acting(&world, callback, Arc::new(Mutex::new(act)));
        let peer = provoke(&server, callback);
        let log: Log = rx.recv_timeout(support::PATIENCE).unwrap();
        assert!(log.closed().clean);
        assert_eq!(log.briefs(), ["open", "close 1000"], "connect in on_{callback}");
        drop(peer);
    }
}

#[test]
fn a_client_may_connect_anew_in_on_close_again_and_again() {
    let world = World::new();
    let server = world.serve(Script::default().on_open(|ws, _| ws.close(None, "").unwrap()));
    let log = Log::default();
    fn again(url: String, log: Log, left: u32) -> Script {
        let script = Script::new(&log);
        script.on_close(move |context, id, _| {
            assert_eq!(context.ready_state(id), ReadyState::Closed);
            assert!(context.remote(id).is_some_and(|remote| remote.url().starts_with("ws://")));
            if left > 0 {
                let options = ClientOptions::new(&url).unwrap();
                let next = again(url.clone(), log.clone(), left - 1);
                context.connect(&options, Box::new(next)).unwrap();
            }
        })
    }
    world.dial(&server.url(), again(server.url(), log.clone(), 20));
    assert_eq!(log.closes(21).len(), 21);
    assert!(log.closes(21).iter().all(|close| close.clean && close.code == 1005));
}

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
