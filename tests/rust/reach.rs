//! Reaching a server: Unix sockets, given sockets, local addresses, refusals, and proxies.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use tightwire::{ClientOptions, CloseEvent, ErrorCode, Phase, Proxy};

use crate::support::{Event, Log, Script, Server, World};

/// A conversation with an echo server: what came back.
fn converse(world: &World, options: ClientOptions) -> String {
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| ws.send("hello").unwrap());
    world.dial_with(options, script);
    log.wait("an echo or the end", |events| match events.last() {
        Some((_, Event::Text(text))) => Some(text.clone()),
        Some((_, Event::Close(close))) => Some(format!("closed: {:?}", close.error)),
        _ => None,
    })
}

/// How an attempt ends that leads nowhere.
fn fails(world: &World, options: ClientOptions) -> CloseEvent {
    let log = Log::default();
    world.dial_with(options, Script::new(&log));
    log.closed()
}

fn options(server: &Server) -> ClientOptions {
    ClientOptions::new(&server.url()).unwrap()
}

/// An address where nobody listens.
fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Hands bytes on in both directions until either ends.
fn relay(one: TcpStream, other: TcpStream) {
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        thread::spawn(move || {
            // Whoever ends first, the other half is told.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    copy(one.try_clone().unwrap(), other.try_clone().unwrap());
    copy(other, one);
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// An HTTP proxy in a thread: `judge` gets the head of each request and answers; after a 2xx it
/// leads on.
fn http_proxy(judge: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            loop {
                let request = head(&mut stream);
                if request.is_empty() {
                    break;
                }
                let answer = judge(&request);
                stream.write_all(answer.as_bytes()).unwrap();
                if answer.starts_with("HTTP/1.1 200") {
                    let to = request.split(' ').nth(1).unwrap();
                    relay(stream, TcpStream::connect(to).unwrap());
                    break;
                }
                if !answer.contains("Content-Length") {
                    break;
                }
            }
        }
    });
    addr
}

#[test]
fn a_unix_socket_is_as_good_as_a_port() {
    let folder = std::env::temp_dir().join(format!("tightwire-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("reach.sock");
    let world = World::new();
    let server = world.echo();
    let listener = UnixListener::bind(&path).unwrap();
    let port = server.port;
    thread::spawn(move || {
        for unix in listener.incoming() {
            let unix = unix.unwrap();
            let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut from, mut to) = (unix.try_clone().unwrap(), tcp.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut from, mut to): (TcpStream, UnixStream) = (tcp, unix);
            thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    let url = format!("ws+unix:{}:/chat", path.display());
    assert_eq!(converse(&world, ClientOptions::new(&url).unwrap()), "hello");
    let elsewhere = options(&server).connect_to(format!("unix:{}", path.display()));
    assert_eq!(converse(&world, elsewhere), "hello");
    std::fs::remove_file(&path).unwrap();
    let error = fails(&world, ClientOptions::new(&url).unwrap()).error.unwrap();
    assert_eq!((error.phase(), error.code()), (Phase::Tcp, ErrorCode::Connect), "{error}");
    assert!(error.to_string().contains("reach.sock"), "{error}");
    std::fs::remove_dir(&folder).unwrap();
}

#[test]
fn a_socket_that_is_connected_already_is_used() {
    let world = World::new();
    let server = world.echo();
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let local = stream.local_addr().unwrap();
    // The URL's own host leads nowhere.
    let url = format!("ws://127.0.0.1:{}/", refusing().port());
    let given = ClientOptions::new(&url).unwrap().socket(stream);
    assert_eq!(converse(&world, given), "hello");
    let remote = world.handle().remote(server.log.opened()).unwrap();
    assert_eq!(remote.remote_addr(), Some(local));
    let unconnected = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = fails(&world, ClientOptions::new(&url).unwrap().socket(unconnected)).error.unwrap();
    assert_eq!(error.phase(), Phase::Tcp, "{error}");
}

#[test]
fn the_local_address_can_be_chosen() {
    let world = World::new();
    let server = world.echo();
    let bound = options(&server).bind_address("127.0.0.9:0".parse().unwrap());
    assert_eq!(converse(&world, bound), "hello");
    let remote = world.handle().remote(server.log.opened()).unwrap();
    assert_eq!(remote.remote_addr().unwrap().ip().to_string(), "127.0.0.9");
    assert_eq!(remote.local_addr().unwrap().port(), server.port);
    let other = options(&server).bind_address("[::1]:0".parse().unwrap());
    let error = fails(&world, other).error.unwrap();
    assert!(error.to_string().contains("bind_address"), "{error}");
}

#[test]
fn every_address_that_was_tried_is_listed() {
    let world = World::new();
    let port = refusing().port();
    let url = format!("ws://localhost:{port}/");
    let error = fails(&world, ClientOptions::new(&url).unwrap()).error.unwrap();
    assert_eq!((error.phase(), error.code()), (Phase::Tcp, ErrorCode::Connect));
    assert!(!error.attempts().is_empty());
    for attempt in error.attempts() {
        assert!(attempt.address().ends_with(&port.to_string()), "{attempt:?}");
        assert_eq!(attempt.os_error(), error.os_error(), "{error}");
        assert!(error.to_string().contains(attempt.address()), "{error}");
    }
}

#[test]
fn a_proxy_leads_on_and_its_refusals_are_told() {
    let world = World::new();
    let server = world.echo();
    let open = http_proxy(|_| "HTTP/1.1 200 OK\r\n\r\n".to_owned());
    let through = |proxy: &str| options(&server).proxy(Proxy::new(proxy).unwrap());
    assert_eq!(converse(&world, through(&format!("http://{open}"))), "hello");

    let refusing_proxy =
        http_proxy(|_| "HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nnope".to_owned());
    let error = fails(&world, through(&format!("http://{refusing_proxy}"))).error.unwrap();
    assert_eq!((error.phase(), error.code()), (Phase::Proxy, ErrorCode::Proxy));
    assert_eq!(error.to_string(), "proxy: the proxy answered 403 No");
    assert_eq!(error.http().unwrap().body, b"nope");

    let early = http_proxy(|_| "HTTP/1.1 204 OK\r\n\r\nearly".to_owned());
    let error = fails(&world, through(&format!("http://{early}"))).error.unwrap();
    assert_eq!(error.phase(), Phase::Proxy, "{error}");

    let nobody = refusing();
    let error = fails(&world, through(&format!("http://{nobody}"))).error.unwrap();
    assert_eq!((error.phase(), error.code()), (Phase::Proxy, ErrorCode::Connect), "{error}");
    assert!(error.to_string().contains(&nobody.to_string()), "{error}");
}

#[test]
fn a_proxy_may_ask_for_a_login_on_the_same_connection_or_a_new_one() {
    for fields in ["Content-Length: 0\r\n", "Connection: close\r\n"] {
        let world = World::new();
        let server = world.echo();
        let proxy = http_proxy(move |request| {
            if request.contains("Proxy-Authorization: Digest username=\"me\"") {
                return "HTTP/1.1 200 OK\r\n\r\n".to_owned();
            }
            let challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
            format!("HTTP/1.1 407 Who\r\nProxy-Authenticate: {challenge}\r\n{fields}\r\n")
        });
        let proxy = Proxy::new(&format!("http://me:secret@{proxy}")).unwrap();
        assert_eq!(converse(&world, options(&server).proxy(proxy)), "hello", "{fields}");
    }
}

#[test]
fn a_connection_can_be_given_up_on_its_way_through_a_proxy() {
    let world = World::new();
    let server = world.echo();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::new(&format!("socks5h://{}", silent.local_addr().unwrap())).unwrap();
    let log = Log::default();
    let id = world.dial_with(options(&server).proxy(proxy), Script::new(&log));
    let (mut stream, _) = silent.accept().unwrap();
    let mut hello = [0; 3];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(hello, [5, 1, 0]);
    world.call(move |context| context.close(id, None, "").unwrap());
    assert_eq!(log.closed().error.unwrap().code(), ErrorCode::Shutdown);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the stream to the proxy is ended");
}

#[test]
fn bad_ports_are_blocked_on_request() {
    let world = World::new();
    let options = ClientOptions::new("ws://127.0.0.1:10080/").unwrap();
    let error = fails(&world, options.clone().block_bad_ports(true)).error.unwrap();
    assert_eq!(
        (error.code(), error.phase(), error.kind()),
        (ErrorCode::Connect, Phase::Tcp, "bad_port")
    );
    assert!(error.to_string().ends_with("(option: block_bad_ports)"), "{error}");
    let error = fails(&world, options).error.unwrap();
    assert_ne!(error.kind(), "bad_port");
}
