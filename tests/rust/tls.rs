//! `wss://` against rustls by hand: versions, names, certificates, truncation, the wrong protocol.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion, version,
};
use tightwire::{ClientOptions, ClientTls, ErrorCode, Phase, Tuning};

use crate::support::{
    self, Authority, BINARY, CLOSE, Issued, Log, PING, PONG, Peer, Script, TEXT, World,
    close_payload, listen, options, pattern, request,
};

type Client = Peer<StreamOwned<ClientConnection, TcpStream>>;
type Server = Peer<StreamOwned<ServerConnection, TcpStream>>;

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A client by hand, before its TLS handshake.
fn client(
    server: &support::Server,
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    Peer::on(StreamOwned::new(connection, server.tcp().stream), true)
}

/// A server by hand that took the next client, before its TLS handshake.
fn accept(
    listener: &TcpListener,
    issued: &Issued,
    versions: &[&'static SupportedProtocolVersion],
) -> Server {
    let chain = vec![CertificateDer::from_pem_slice(issued.chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connection = ServerConnection::new(Arc::new(config)).unwrap();
    Peer::on(StreamOwned::new(connection, Peer::accept(listener).stream), false)
}

fn secure_echo(world: &World, issued: &Issued) -> support::Server {
    world.serve_with(options().tls(issued.server()), Script::echo(&Log::default()))
}

fn dial(world: &World, url: &str, tls: ClientTls, script: Script) {
    world.dial_with(ClientOptions::new(url).unwrap().tls(tls), script);
}

#[test]
fn both_roles_talk_over_tls() {
    let world = World::new();
    let authority = Authority::new();
    let server = secure_echo(&world, &authority.issue(&NAMES));
    for host in ["127.0.0.1", "localhost"] {
        let log = Log::default();
        let script = Script::new(&log).on_open(|ws, _| {
            ws.send("grüße").unwrap();
            ws.send(&pattern(5 << 20)).unwrap();
        });
        let script = script.on_message(|ws, message| {
            if message.data().len() == 5 << 20 {
                ws.close(Some(1000), "done").unwrap();
            }
        });
        let options = ClientOptions::new(&format!("wss://{host}:{}/", server.port)).unwrap();
        let options = options.connect_to(format!("127.0.0.1:{}", server.port));
        world.dial_with(options.tls(authority.client()), script);
        assert!(log.closed().clean, "{:?}", log.closed());
        let mut briefs = log.briefs();
        briefs.retain(|brief| brief != "drain");
        assert_eq!(briefs, ["open", "text grüße", "binary of 5242880", "close 1000"]);
        assert!(log.events().iter().any(|(_, event)| match event {
            support::Event::Binary(data) => *data == pattern(5 << 20),
            _ => false,
        }));
    }
    assert!(server.log.closes(2).iter().all(|close| close.clean));
    let (_, open) = server.log.events().swap_remove(1);
    let support::Event::Open { url, .. } = open else { panic!("{open:?}") };
    assert!(url.starts_with("wss://"), "{url}");
}

#[test]
fn servers_speak_tls_1_2_and_1_3() {
    let world = World::new();
    let authority = Authority::new();
    let server = secure_echo(&world, &authority.issue(&NAMES));
    for version in [&version::TLS12, &version::TLS13] {
        let mut peer = client(&server, &authority, &[version]);
        peer.upgrade();
        assert_eq!(peer.stream.conn.protocol_version(), Some(version.version));
        for size in [0, 1, 16_383, 16_384, 100_000, 3 << 20] {
            let payload = pattern(size);
            peer.send(BINARY, &payload);
            peer.expect(BINARY, &payload);
        }
        peer.send(PING, b"x");
        peer.expect(PONG, b"x");
        peer.send(CLOSE, &close_payload(1000, ""));
        peer.expect(CLOSE, &close_payload(1000, ""));
        // Without close_notify this would be an error.
        peer.expect_end();
    }
}

#[test]
fn clients_speak_tls_1_2_and_1_3_and_name_the_server() {
    let world = World::new();
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", "127.0.0.1", "other.example"]);
    let (listener, port) = listen();
    for version in [&version::TLS12, &version::TLS13] {
        for (host, tls_name, sni) in [
            ("localhost", None, Some("localhost")),
            ("127.0.0.1", None, None),
            ("localhost", Some("other.example"), Some("other.example")),
        ] {
            let log = Log::default();
            let script = Script::new(&log)
                .on_open(|ws, _| ws.send(&pattern(2 << 20)).unwrap())
                .on_message(|ws, _| ws.close(Some(1000), "").unwrap());
            let mut options = ClientOptions::new(&format!("wss://{host}:{port}/")).unwrap();
            options = options.connect_to(format!("127.0.0.1:{port}")).tls(authority.client());
            if let Some(name) = tls_name {
                options = options.tls_name(name);
            }
            world.dial_with(options, script);
            let mut peer = accept(&listener, &issued, &[version]);
            let head = peer.answer("");
            assert!(head.contains(&format!("Host: {host}:{port}\r\n")), "{head}");
            let connection = &peer.stream.conn;
            assert_eq!(connection.server_name(), sni);
            assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
            assert_eq!(connection.protocol_version(), Some(version.version));
            peer.expect(BINARY, &pattern(2 << 20));
            peer.send(TEXT, b"got it");
            peer.expect(CLOSE, &close_payload(1000, ""));
            peer.send(CLOSE, &close_payload(1000, ""));
            peer.stream.conn.send_close_notify();
            peer.stream.flush().unwrap();
            drop(peer);
            assert!(log.closed().clean, "{:?}", log.closed());
        }
    }
}

#[test]
fn certificates_that_do_not_verify_are_refused_and_nothing_is_sent() {
    let world = World::new();
    let authority = Authority::new();
    let day = |year| rcgen::date_time_ymd(year, 1, 1);
    let expired = authority.issue_with(&NAMES, |params| {
        (params.not_before, params.not_after) = (day(2020), day(2021));
    });
    let future = authority.issue_with(&NAMES, |params| {
        (params.not_before, params.not_after) = (day(4000), day(4001));
    });
    let (listener, port) = listen();
    for (what, issued, text) in [
        ("another name", authority.issue(&["other.example"]), "\"other.example\""),
        ("another address", authority.issue(&["127.0.0.2"]), "127.0.0.2"),
        ("no name", authority.issue(&[]), "no names"),
        ("expired", expired, "certificate expired"),
        ("not yet valid", future, "not valid yet"),
        ("self-signed", Issued::self_signed(&NAMES), "unknown issuer or self-signed"),
        ("another authority's", Authority::named("other").issue(&NAMES), "unknown issuer"),
        ("an impostor's", Authority::new().issue(&NAMES), "bad signature"),
    ] {
        for version in [&version::TLS12, &version::TLS13] {
            let log = Log::default();
            let url = format!("wss://127.0.0.1:{port}/secret");
            dial(&world, &url, authority.client(), Script::new(&log));
            let mut peer = accept(&listener, &issued, &[version]);
            let read = peer.rest();
            assert!(read.as_ref().is_err(), "{what}: the client sent {read:?}");
            assert!(read.unwrap_err().to_string().contains("alert"), "{what}: no alert");
            drop(peer);
            let error = log.failed();
            let seen = (error.phase(), error.code());
            assert_eq!(seen, (Phase::Tls, ErrorCode::Certificate), "{what}: {error}");
            assert!(error.to_string().contains(text), "{what}: {error}");
            assert_eq!(log.briefs(), ["close 1006"]);
        }
    }
}

#[test]
fn a_certificate_can_be_accepted_unseen() {
    let world = World::new();
    let server = secure_echo(&world, &Issued::self_signed(&["nobody.example"]));
    let log = Log::default();
    let tls = ClientTls::builder().danger_no_verification().build().unwrap();
    let script = Script::new(&log).on_open(|ws, _| ws.close(Some(1000), "").unwrap());
    dial(&world, &format!("wss://127.0.0.1:{}/", server.port), tls, script);
    assert!(log.closed().clean);
}

#[test]
fn versions_that_do_not_meet_are_refused() {
    let start = support::now();
    let world = World::new();
    let authority = Authority::new();
    let (listener, port) = listen();
    let builder = ClientTls::builder().ca_pem(authority.pem.as_bytes()).unwrap();
    let tls = builder.only_these_cas().min_version_1_3().build().unwrap();
    let log = Log::default();
    dial(&world, &format!("wss://127.0.0.1:{port}/"), tls, Script::new(&log));
    let mut peer = accept(&listener, &authority.issue(&NAMES), &[&version::TLS12]);
    assert!(peer.rest().is_err());
    drop(peer);
    let error = log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Tls, ErrorCode::Tls), "{error}");
    assert!(error.to_string().contains("no TLS version in common"), "{error}");
    assert!(start.elapsed() < Tuning::default().linger.unwrap(), "the end came with the alert");
}

#[test]
fn a_client_that_trusts_another_authority_is_no_connection_of_the_server() {
    let world = World::new();
    let authority = Authority::new();
    let server = secure_echo(&world, &authority.issue(&NAMES));
    let log = Log::default();
    let url = format!("wss://127.0.0.1:{}/", server.port);
    dial(&world, &url, Authority::named("other").client(), Script::new(&log));
    assert_eq!(log.failed().code(), ErrorCode::Certificate);
    let mut peer = client(&server, &authority, rustls::ALL_VERSIONS);
    peer.upgrade();
    assert_eq!(server.log.briefs(), ["request /", "open"], "only the second one");
}

#[test]
fn plain_and_secured_peers_that_meet_are_told_what_is_wrong() {
    let world = World::new();
    let authority = Authority::new();
    let secure = secure_echo(&world, &authority.issue(&NAMES));
    let tuning =
        Tuning { open_timeout: Some(std::time::Duration::from_secs(5)), ..Tuning::default() };
    let plain = world.serve_with(options().tuning(tuning), Script::default());
    // A plain peer on the secured port.
    let mut peer = secure.tcp();
    peer.write(request("/", "localhost", "").as_bytes());
    let answer = peer.rest().unwrap_or_default();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // Our plain client on the secured port.
    let log = Log::default();
    world.dial(&format!("ws://127.0.0.1:{}/", secure.port), Script::new(&log));
    let error = log.failed();
    assert!(matches!(error.phase(), Phase::Upgrade | Phase::Tcp), "{error}");
    assert!(error.phase() == Phase::Tcp || error.to_string().contains("use wss"), "{error}");
    // Our secured client on the plain port.
    let log = Log::default();
    let url = format!("wss://127.0.0.1:{}/", plain.port);
    let start = support::now();
    dial(&world, &url, authority.client(), Script::new(&log));
    let error = log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Tls, ErrorCode::Tls), "{error}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert!(start.elapsed() < std::time::Duration::from_secs(4), "only after the open timeout");
    // A client that speaks TLS to a server that speaks something else.
    let (listener, port) = listen();
    for (bytes, text) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak TLS"),
    ] {
        let log = Log::default();
        let url = format!("wss://127.0.0.1:{port}/");
        dial(&world, &url, authority.client(), Script::new(&log));
        let mut peer = Peer::accept(&listener);
        peer.write(bytes);
        peer.half_close();
        let error = log.failed();
        assert_eq!(error.phase(), Phase::Tls, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(secure.log.events().is_empty() && plain.log.events().is_empty());
}

#[test]
fn an_end_without_close_notify_is_a_truncation_unless_all_was_said() {
    let world = World::new();
    let authority = Authority::new();
    let server = secure_echo(&world, &authority.issue(&NAMES));
    let mut peer = client(&server, &authority, rustls::ALL_VERSIONS);
    peer.upgrade();
    server.log.opened();
    drop(peer);
    let error = server.log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Tls, ErrorCode::Reset), "{error}");

    let server = secure_echo(&world, &authority.issue(&NAMES));
    let mut peer = client(&server, &authority, rustls::ALL_VERSIONS);
    peer.upgrade();
    peer.send(CLOSE, &close_payload(1000, ""));
    peer.expect(CLOSE, &close_payload(1000, ""));
    drop(peer);
    let close = server.log.closed();
    assert!(close.clean && close.error.is_none(), "{close:?}");
}

#[test]
fn a_close_notify_is_no_closing_handshake() {
    let world = World::new();
    let authority = Authority::new();
    let server = secure_echo(&world, &authority.issue(&NAMES));
    let mut peer = client(&server, &authority, rustls::ALL_VERSIONS);
    peer.upgrade();
    peer.send(TEXT, b"last words");
    peer.expect(TEXT, b"last words");
    peer.stream.conn.send_close_notify();
    peer.stream.flush().unwrap();
    let error = server.log.failed();
    assert!(error.to_string().contains("without a Close frame"), "{error}");
    assert_eq!(server.log.texts(), ["last words"]);
}

#[test]
fn a_broken_record_ends_the_connection_after_what_was_good() {
    let world = World::new();
    let authority = Authority::new();
    let server = secure_echo(&world, &authority.issue(&NAMES));
    let mut peer = client(&server, &authority, rustls::ALL_VERSIONS);
    peer.upgrade();
    peer.send(TEXT, b"good");
    peer.expect(TEXT, b"good");
    peer.stream.sock.write_all(&[23, 3, 3, 0, 20, 1, 2, 3, 4, 5]).unwrap();
    peer.stream.sock.write_all(&[0; 15]).unwrap();
    let error = server.log.failed();
    assert_eq!((error.phase(), error.code()), (Phase::Tls, ErrorCode::Tls), "{error}");
    assert!(peer.rest().is_err(), "an alert says so");
}

/// A socket that takes one byte at a time.
struct Trickle(TcpStream);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes.get(..1).unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn tls_byte_by_byte_is_the_same() {
    let world = World::new();
    let authority = Authority::new();
    let server = secure_echo(&world, &authority.issue(&NAMES));
    for version in [&version::TLS12, &version::TLS13] {
        let stream = client(&server, &authority, &[version]).stream;
        let stream = StreamOwned::new(stream.conn, Trickle(stream.sock));
        let mut peer = Peer::on(stream, true);
        peer.upgrade();
        peer.send(BINARY, &pattern(5_000));
        peer.expect(BINARY, &pattern(5_000));
        peer.send(CLOSE, &close_payload(1000, ""));
        peer.expect(CLOSE, &close_payload(1000, ""));
        peer.expect_end();
    }
}

#[test]
fn a_server_survives_an_end_at_every_stage_of_tls() {
    let world = World::new();
    let authority = Authority::new();
    let server = secure_echo(&world, &authority.issue(&NAMES));
    let mut hello = Vec::new();
    let mut connection = client(&server, &authority, rustls::ALL_VERSIONS).stream.conn;
    connection.write_tls(&mut hello).unwrap();
    for cut in (0..hello.len()).step_by(7).chain([hello.len()]) {
        for reset in [false, true] {
            let mut peer = server.tcp();
            peer.write(&hello[..cut]);
            if reset {
                peer.reset();
            }
        }
    }
    let mut peer = client(&server, &authority, rustls::ALL_VERSIONS);
    peer.upgrade();
    peer.send(TEXT, b"alive?");
    peer.expect(TEXT, b"alive?");
    assert_eq!(server.log.briefs(), ["request /", "open", "text alive?"]);
}

#[test]
fn a_peer_that_stops_reading_tls_fills_the_queue_and_drains_it() {
    let world = World::new();
    let authority = Authority::new();
    let payload = pattern(8 << 20);
    let sent = payload.clone();
    let server = world.serve_with(
        options().tls(authority.issue(&NAMES).server()),
        Script::default().on_message(move |ws, _| ws.send(&sent).unwrap()),
    );
    let mut peer = client(&server, &authority, rustls::ALL_VERSIONS);
    peer.upgrade();
    peer.send(TEXT, b"go");
    let id = server.log.opened();
    let remote = world.handle().remote(id).unwrap();
    support::until("output that waits", || remote.buffered_amount() > 1 << 20);
    peer.expect(BINARY, &payload);
    server.log.wait_for("drain", 1);
    support::until("an empty queue", || remote.buffered_amount() == 0);
}
