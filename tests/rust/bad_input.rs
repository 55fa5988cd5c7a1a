//! Arguments that are not legal: a clear error that names the argument, and nothing is sent.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;

use tightwire::{
    ClientOptions, ClientTls, Error, ErrorCode, EventLoop, Phase, Server, ServerOptions, ServerTls,
};

use crate::support::{Authority, Log, Script};

#[track_caller]
fn is_argument_error(error: &Error, parts: &[&str]) {
    assert_eq!((error.phase(), error.code()), (Phase::Argument, ErrorCode::InvalidArgument));
    let text = error.to_string();
    assert!(text.starts_with("argument: "), "{text}");
    for part in parts {
        assert!(text.contains(part), "{text:?} without {part:?}");
    }
    assert!(!text.contains(['\r', '\n', '\0', '\u{1b}']), "control characters in {text:?}");
}

#[test]
fn urls_that_are_none_are_refused() {
    for (url, part) in [
        ("ftp://h/", "unknown scheme \"ftp\""),
        ("wss+x://h/", "unknown scheme"),
        ("h/path", "relative URL"),
        ("", "relative URL"),
        ("//h/", "relative URL"),
        ("ws://h/#top", "fragment"),
        ("ws://h/#", "fragment"),
        ("ws://h:99999/", "port"),
        ("ws://h:x/", "port"),
        ("ws://h:-1/", "port"),
        ("ws://", "host"),
        ("ws://a b/", "host"),
        ("ws://[::1/", "host"),
        ("ws://1.2.3.4.5/", "host"),
        ("ws://\u{0}/", "host"),
    ] {
        is_argument_error(&ClientOptions::new(url).unwrap_err(), &[part]);
    }
}

#[test]
fn what_cannot_stand_in_a_request_is_refused_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut event_loop = EventLoop::new().unwrap();
    let new = || ClientOptions::new(&format!("ws://127.0.0.1:{port}/")).unwrap();
    let secure = || ClientOptions::new(&format!("wss://127.0.0.1:{port}/")).unwrap();
    let trust = || Authority::new().client();
    let cases = [
        (new().header("X-A", "b\r\nX-C: d"), "header \"X-A\""),
        (new().header("X-A", "b\0"), "header \"X-A\""),
        (new().header("X-A", "größe"), "header \"X-A\""),
        (new().header("X A", "b"), "header name \"X A\""),
        (new().header("", "b"), "header name \"\""),
        (new().header("X-A\r\nX-B", "b"), "header name"),
        (new().header("Sec-WebSocket-Key", "b"), "header \"Sec-WebSocket-Key\""),
        (new().header("upgrade", "b"), "header \"upgrade\""),
        (new().header("Host", "a").header("host", "b"), "header \"host\""),
        (new().protocol("a b"), "subprotocol \"a b\""),
        (new().protocol(""), "subprotocol \"\""),
        (new().protocol("a\r\nb"), "subprotocol"),
        (new().protocol("a").protocol("a"), "subprotocol \"a\" is listed twice"),
        (new().origin("http://a\r\nX: b"), "origin"),
        (new().origin(""), "origin"),
        (new().connect_to("nowhere"), "connect_to \"nowhere\""),
        (new().connect_to("h:99999"), "connect_to"),
        (new().connect_to(":80"), "connect_to"),
        (secure().tls(trust()).tls_name("two words"), "tls_name \"two words\""),
        (secure().tls(trust()).tls_name(""), "tls_name"),
        (secure().tls(trust()).tls_name("a\r\nb"), "tls_name"),
    ];
    for (options, part) in cases {
        let log = Log::default();
        let error = event_loop.connect(&options, Script::new(&log)).unwrap_err();
        is_argument_error(&error, &[part]);
        assert!(event_loop.is_idle(), "{part}: something was started");
        event_loop.turn(Some(std::time::Duration::ZERO)).unwrap();
        assert!(log.events().is_empty(), "{part}: a callback came");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "one connected");
}

#[test]
fn addresses_that_are_none_are_refused() {
    for (address, part) in [
        ("http://127.0.0.1:0", "scheme \"http\""),
        ("127.0.0.1", "not host:port"),
        ("127.0.0.1:99999", "not host:port"),
        ("127.0.0.1:x", "not host:port"),
        ("127.0.0.1:-1", "not host:port"),
        ("ws://127.0.0.1:0/path", "not host:port"),
        ("", "not host:port"),
        (":", "not host:port"),
        (":80", "not host:port"),
        ("a\r\nb", "not host:port"),
    ] {
        is_argument_error(&ServerOptions::new(address).unwrap_err(), &["listen", part]);
        is_argument_error(&Server::bind(address).unwrap_err(), &["listen", part]);
    }
}

#[test]
fn addresses_that_cannot_be_had_name_themselves() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let listener = TcpListener::bind(&taken);
    let mut event_loop = EventLoop::new().unwrap();
    for address in ["192.0.2.1:0", "no-such-host.invalid:80", taken.as_str()] {
        if address == taken && listener.is_err() {
            continue;
        }
        let options = ServerOptions::new(address).unwrap();
        let error = event_loop.listen(&options, Script::default()).unwrap_err();
        assert_eq!(error.phase(), Phase::System, "{error}");
        assert!(error.to_string().contains(address), "{error}");
    }
}

#[test]
fn server_options_that_could_never_work_are_refused() {
    let mut event_loop = EventLoop::new().unwrap();
    let new = || ServerOptions::new("127.0.0.1:0").unwrap();
    for (options, part) in [
        (ServerOptions::new("wss://127.0.0.1:0").unwrap(), "certificate"),
        (new().protocols(["good", "a b"]), "subprotocol \"a b\""),
        (new().protocols([""]), "subprotocol \"\""),
        (new().protocols(["a\r\nb"]), "subprotocol"),
        (new().protocols(["a", "a"]), "subprotocol \"a\" is listed twice"),
        (new().origins(["example.com"]), "origin \"example.com\""),
        (new().origins(["https://example.com/path"]), "origin"),
        (new().origins(["https://a\r\nb"]), "origin"),
    ] {
        let error = event_loop.listen(&options, Script::default()).unwrap_err();
        is_argument_error(&error, &[part]);
        assert!(event_loop.is_idle(), "{part}");
    }
    let fine = new().origins(["*", "null", "https://example.com", "app://x", "http://[::1]:8080"]);
    event_loop.listen(&fine, Script::default()).unwrap();
}

/// A file of this test's own.
fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bad-input-{name}"));
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let authority = Authority::new();
    let (good, other) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let cert = file("cert.pem", &good.chain);
    let key = file("key.pem", &good.key);
    let other_key = file("other.pem", &other.key);
    let text = file("text.pem", "hello\n");
    let broken = file("broken.pem", &good.chain.replace("MII", "M!!"));
    let missing = PathBuf::from("no-such-file.pem");
    ServerTls::from_pem_files(&cert, &key).unwrap();
    for (chain, key, names, part) in [
        (&text, &key, "text.pem", "no certificate"),
        (&key, &key, "key.pem", "no certificate"),
        (&broken, &key, "broken.pem", "PEM"),
        (&missing, &key, "no-such-file.pem", "No such file"),
        (&cert, &text, "text.pem", "no private key"),
        (&cert, &cert, "cert.pem", "no private key"),
        (&cert, &missing, "no-such-file.pem", "No such file"),
        (&cert, &other_key, "other.pem", "does not belong"),
    ] {
        let error = ServerTls::from_pem_files(chain, key).unwrap_err().to_string();
        assert!(error.contains(names) && error.contains(part), "{error}");
    }
    for (ca, part) in [(&text, "no certificate"), (&missing, "No such file")] {
        let error = ClientTls::builder().ca_file(ca).err().unwrap().to_string();
        assert!(error.contains(part) && error.contains(".pem"), "{error}");
    }
}
