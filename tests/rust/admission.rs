//! Whom a server lets in: refusals, subprotocols, header fields, origins and limits.

use tightwire::{Client, ClientOptions, ErrorCode, Phase};

use crate::support::{Event, Log, Script, World, options, request, until};

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
