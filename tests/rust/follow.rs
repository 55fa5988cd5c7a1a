//! Answers that are not 101 and lead on: redirects and challenges.

use std::net::TcpListener;

use tightwire::{Auth, ClientOptions, ErrorCode, Phase};

use crate::support::{self, Log, Peer, Script, World, listen};

/// Takes the next client, answers its request with `status` and `fields`, and returns the request.
/// The connection stays until the end of the test: whoever goes elsewhere has to leave it.
fn answer(listener: &TcpListener, status: &str, fields: &str) -> (String, Peer) {
    let mut peer = Peer::accept(listener);
    let request = peer.head();
    peer.write(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: 4\r\n\r\nbody").as_bytes());
    (request, peer)
}

/// A client that says goodbye when it is open.
fn dial(world: &World, options: ClientOptions) -> Log {
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| ws.close(Some(1000), "").unwrap());
    world.dial_with(options, script);
    log
}

fn options(port: u16) -> ClientOptions {
    ClientOptions::new(&format!("ws://127.0.0.1:{port}/first?a=b")).unwrap()
}

fn take(listener: &TcpListener) -> String {
    let mut peer = Peer::accept(listener);
    let request = peer.answer("");
    peer.expect(support::CLOSE, &support::close_payload(1000, ""));
    peer.close_after_peer();
    request
}

#[test]
fn a_redirect_is_an_error_that_says_where_to() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = dial(&world, options(port));
    let _peer = answer(&listener, "302 Found", "Location: /there\r\n");
    let error = log.failed();
    let text = "upgrade: the server answered 302 Found to \"/there\" (option: max_redirects): body";
    assert_eq!((error.to_string().as_str(), error.code()), (text, ErrorCode::Handshake));
    assert_eq!(error.http().unwrap().headers.get("location"), Some("/there"));
}

#[test]
fn redirects_are_followed_and_secrets_stay_with_their_origin() {
    let (world, (one, port), (other, port_of_other)) = (World::new(), listen(), listen());
    let options = options(port)
        .max_redirects(2)
        .auth(Auth::bearer("secret"))
        .header("Cookie", "secret=1")
        .header("X-Own", "kept")
        .origin("http://page.example")
        .protocol("chat");
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| ws.close(Some(1000), "").unwrap());
    world.dial_with(options, script);
    let (first, _peer) = answer(&one, "301 Moved", "Location: second\r\n");
    assert!(first.contains("Authorization: Bearer secret\r\n"), "{first}");
    let away = format!("Location: http://127.0.0.1:{port_of_other}/third#part\r\n");
    let (second, _peer) = answer(&one, "307 Temporary Redirect", &away);
    assert!(second.starts_with("GET /second HTTP/1.1\r\n"), "{second}");
    assert!(second.contains("Authorization: Bearer secret\r\n"), "{second}");
    assert!(second.contains("Cookie: secret=1\r\n"), "{second}");
    let mut peer = Peer::accept(&other);
    let third = peer.answer("Sec-WebSocket-Protocol: chat\r\n");
    assert!(third.starts_with("GET /third HTTP/1.1\r\n"), "{third}");
    assert!(third.contains(&format!("Host: 127.0.0.1:{port_of_other}\r\n")), "{third}");
    assert!(!third.contains("secret"), "{third}");
    for kept in ["X-Own: kept", "Origin: http://page.example", "Sec-WebSocket-Protocol: chat"] {
        assert!(third.contains(kept), "{third}");
    }
    peer.expect(support::CLOSE, &support::close_payload(1000, ""));
    peer.close_after_peer();
    let close = log.closed();
    assert!(close.clean, "{close:?}");
    let asked = format!("ws://127.0.0.1:{port}/first?a=b");
    let opened = |url: &str| url == asked;
    log.wait("the URL that was asked for", |events| {
        events.iter().find_map(|(_, event)| match event {
            support::Event::Open { url, .. } => opened(url).then_some(()),
            _ => None,
        })
    });
}

#[test]
fn a_redirect_that_ends_with_its_stream_is_followed_too() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = dial(&world, options(port).max_redirects(1));
    let mut peer = Peer::accept(&listener);
    peer.head();
    peer.write(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\nmoved");
    drop(peer);
    assert!(take(&listener).starts_with("GET /again "));
    assert!(log.closed().clean);
}

#[test]
fn a_circle_of_redirects_ends() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = dial(&world, options(port).max_redirects(3));
    let _peers: Vec<_> =
        (0..4).map(|_| answer(&listener, "302 Found", "Location: /\r\n").1).collect();
    let error = log.failed();
    assert!(error.to_string().contains("over 3 redirects, now to \"/\""), "{error}");
    assert_eq!(error.http().unwrap().body, b"body");
}

#[test]
fn a_challenge_is_answered_with_a_proof() {
    let (world, (listener, port)) = (World::new(), listen());
    let challenge = "WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n\"\r\n";
    let log = dial(&world, options(port).auth(Auth::digest("me", "secret")));
    let (first, _peer) = answer(&listener, "401 Unauthorized", challenge);
    assert!(!first.contains("Authorization"), "{first}");
    let second = take(&listener);
    assert!(second.contains("Authorization: Digest username=\"me\""), "{second}");
    assert!(second.contains("uri=\"/first?a=b\"") && !second.contains("secret"), "{second}");
    assert!(log.closed().clean);
}

#[test]
fn a_login_that_is_refused_is_told_and_not_shown() {
    let challenge = "WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n\"\r\n";
    for (auth, challenges) in [
        (Auth::basic("me", "secret"), 1),
        (Auth::bearer("secret"), 1),
        (Auth::digest("me", "secret"), 2),
    ] {
        let (world, (listener, port)) = (World::new(), listen());
        let log = dial(&world, options(port).auth(auth));
        let _peers: Vec<_> =
            (0..challenges).map(|_| answer(&listener, "401 Unauthorized", challenge).1).collect();
        let error = log.failed();
        assert_eq!((error.phase(), error.code()), (Phase::Upgrade, ErrorCode::Handshake));
        let text = format!("{error} {error:?}");
        assert!(text.contains("401 Unauthorized (option: auth): body"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn all_of_it_has_one_deadline() {
    let (world, (listener, port)) = (World::new(), listen());
    let tuning = tightwire::Tuning {
        open_timeout: Some(std::time::Duration::from_millis(300)),
        ..Default::default()
    };
    let log = dial(&world, options(port).max_redirects(9).tuning(tuning));
    let _moved = answer(&listener, "302 Found", "Location: /silent\r\n");
    let _silent = Peer::accept(&listener);
    let error = log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Upgrade, ErrorCode::TimedOut));
}
