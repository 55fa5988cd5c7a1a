//! The options of TLS, between our client and our server and against rustls by hand.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};
use tightwire::{ClientOptions, ClientTls, ErrorCode, Phase, ServerTls};

use crate::support::{
    self, Authority, Issued, Log, PATIENCE, Peer, Script, World, listen, options,
};

type Server = Peer<StreamOwned<ServerConnection, TcpStream>>;

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// Options for a host that need not exist.
fn to(host: &str, port: u16, tls: ClientTls) -> ClientOptions {
    let options = ClientOptions::new(&format!("wss://{host}:{port}/secret")).unwrap();
    options.connect_to(format!("127.0.0.1:{port}")).tls(tls)
}

fn secure_echo(world: &World, tls: ServerTls) -> support::Server {
    world.serve_with(options().hosts(["*"]).tls(tls), Script::echo(&Log::default()))
}

/// Settings of a server by hand.
fn by_hand(issued: &Issued) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

/// A server by hand that took the next client, before its TLS handshake.
fn accept(listener: &TcpListener, config: &Arc<ServerConfig>) -> Server {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    Peer::on(StreamOwned::new(connection, Peer::accept(listener).stream), false)
}

/// Connects, says something, hears it back and says goodbye.
fn talk(world: &World, options: ClientOptions) -> Log {
    let log = Log::default();
    let script = Script::new(&log)
        .on_open(|ws, _| ws.send("hello").unwrap())
        .on_message(|ws, _| ws.close(Some(1000), "").unwrap());
    world.dial_with(options, script);
    log
}

/// A server's certificate, and the client that it does not convince.
struct Row {
    what: &'static str,
    host: &'static str,
    issued: Issued,
    client: ClientTls,
    /// Why it is refused; nothing if it is not.
    refused: &'static str,
}

/// What is in force and since when.
fn valid(from: i32, to: i32) -> impl FnOnce(&mut rcgen::CertificateParams) {
    move |params| {
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
    }
}

fn names_and_dates(authority: &Authority) -> Vec<Row> {
    const BOOKS: &str = "xn--bcher-kva.example";
    let (unknown, untrusted) = ("unknown issuer or self-signed", Authority::named("other"));
    let name = |name| authority.issue(&[name]);
    let wildcard = || authority.issue(&["*.site.example"]);
    let expired = authority.issue_with(&["a.example"], valid(2020, 2021));
    let future = authority.issue_with(&["a.example"], valid(4000, 4001));
    let rows = [
        ("self-signed", "a.example", Issued::self_signed(&["a.example"]), unknown),
        ("another authority's", "a.example", untrusted.issue(&["a.example"]), unknown),
        ("an impostor's", "a.example", Authority::new().issue(&["a.example"]), "bad signature"),
        ("expired", "a.example", expired, "certificate expired"),
        ("not yet valid", "a.example", future, "not valid yet"),
        ("right name", "a.example", name("a.example"), ""),
        ("wrong name", "a.example", name("b.example"), "it is for \"b.example\""),
        ("no name", "a.example", authority.issue(&[]), "it has no names"),
        ("right address", "127.0.0.1", name("127.0.0.1"), ""),
        ("wrong address", "127.0.0.1", name("127.0.0.2"), "it is for \"127.0.0.2\""),
        ("address for a name", "a.example", name("127.0.0.1"), "it is for \"127.0.0.1\""),
        ("name for an address", "127.0.0.1", name("localhost"), "it is for \"localhost\""),
        ("right address of IPv6", "[::1]", name("::1"), ""),
        ("wrong address of IPv6", "[::1]", name("::2"), "not valid for name \"::1\""),
        ("wildcard", "a.site.example", wildcard(), ""),
        ("wildcard too deep", "a.b.site.example", wildcard(), "it is for \"*.site.example\""),
        ("wildcard for nothing", "site.example", wildcard(), "it is for \"*.site.example\""),
        ("international name", "bücher.example", name(BOOKS), ""),
        ("the same as it is sent", BOOKS, name(BOOKS), ""),
        ("other than international", "bücher.example", name("bucher.example"), BOOKS),
        ("international for another", "bucher.example", name(BOOKS), BOOKS),
    ];
    let rows = rows.into_iter().map(|(what, host, issued, refused)| Row {
        what,
        host,
        issued,
        client: authority.client(),
        refused,
    });
    rows.collect()
}

fn pins(authority: &Authority) -> Vec<Row> {
    const NO_PIN: &str = "no pin matches the certificate (its key is sha256//";
    let host = "a.example";
    let issue = || authority.issue(&[host]);
    let (other, third) = (Authority::named("other"), Authority::named("third"));
    let row = |what, issued, pins: &[String], refused| {
        let builder =
            pins.iter().fold(authority.trusting(), |builder, pin| builder.pin(pin).unwrap());
        Row { what, host, issued, client: builder.build().unwrap(), refused }
    };
    let borrowed = {
        let Issued { chain, key } = issue();
        Issued { chain: format!("{chain}{}", other.pem), key }
    };
    let (own, issued) = (issue(), issue());
    let pin = own.pin();
    let untrusted = other.issue(&[host]);
    let untrusted_pin = untrusted.pin();
    vec![
        row("its own pin", own, &[pin], ""),
        row("the authority's pin", issue(), &[authority.pin()], ""),
        row("one of several pins", issue(), &[other.pin(), authority.pin()], ""),
        row("another's pin", issued, &[other.pin()], NO_PIN),
        row("several others' pins", issue(), &[other.pin(), third.pin()], NO_PIN),
        row("another's pin, and its certificate in the chain", borrowed, &[other.pin()], NO_PIN),
        row("a pin that nobody vouches for", untrusted, &[untrusted_pin], "unknown issuer"),
    ]
}

#[test]
fn the_table_of_certificates() {
    let world = World::new();
    let authority = Authority::new();
    let (listener, port) = listen();
    let mut untouched = Vec::new();
    for row in names_and_dates(&authority).into_iter().chain(pins(&authority)) {
        let Row { what, host, issued, client, refused } = row;
        let server = secure_echo(&world, issued.server());
        let log = talk(&world, to(host, server.port, client.clone()));
        if refused.is_empty() {
            assert!(log.closed().clean, "{what}: {:?}", log.closed());
            assert_eq!(server.log.texts(), ["hello"], "{what}");
            continue;
        }
        assert_refused(what, refused, &log);
        untouched.push((what, server));
        // By hand it shows that not a byte was sent but for the handshake.
        let log = talk(&world, to(host, port, client));
        let mut peer = accept(&listener, &by_hand(&issued));
        let read = peer.rest();
        let error = read.expect_err(what).to_string();
        assert!(error.contains("alert"), "{what}: {error}");
        drop(peer);
        assert_refused(what, refused, &log);
    }
    // Only now are the servers certain to have seen all there was.
    drop(world);
    assert!(untouched.len() > 15);
    for (what, server) in untouched {
        assert_eq!(server.log.briefs(), [""; 0], "{what}");
    }
}

#[track_caller]
fn assert_refused(what: &str, why: &str, log: &Log) {
    let error = log.failed();
    assert_eq!(
        (error.phase(), error.code()),
        (Phase::Tls, ErrorCode::Certificate),
        "{what}: {error}"
    );
    assert!(error.to_string().contains(why), "{what}: {error}");
    assert_eq!(log.briefs(), ["close 1006"], "{what}");
}

#[test]
fn certificates_of_clients_are_asked_for_and_verified() {
    let world = World::new();
    let (authority, clients) = (Authority::new(), Authority::named("clients"));
    let issued = authority.issue(&NAMES);
    let own = |issued: &Issued| {
        let (chain, key) = (issued.chain.as_bytes(), issued.key.as_bytes());
        authority.trusting().client_cert_pem(chain, key).unwrap().build().unwrap()
    };
    let good = own(&clients.issue(&["somebody"]));
    let bad = own(&Authority::named("others").issue(&["somebody"]));
    for optional in [false, true] {
        let builder = ServerTls::builder()
            .cert_pem(issued.chain.as_bytes(), issued.key.as_bytes())
            .unwrap()
            .client_ca_pem(clients.pem.as_bytes())
            .unwrap();
        let builder = if optional { builder.optional_client_certs() } else { builder };
        let server = secure_echo(&world, builder.build().unwrap());
        assert!(talk(&world, to("localhost", server.port, good.clone())).closed().clean);
        let log = talk(&world, to("localhost", server.port, bad.clone()));
        assert_refused("another authority's", "peer rejected our certificate", &log);
        let log = talk(&world, to("localhost", server.port, authority.client()));
        if optional {
            assert!(log.closed().clean);
        } else {
            assert_refused("none", "peer demands a certificate of us", &log);
        }
        let opened = server.log.briefs().iter().filter(|brief| *brief == "open").count();
        assert_eq!(opened, if optional { 2 } else { 1 });
    }
}

#[test]
fn clients_resume_unless_they_are_told_not_to() {
    let world = World::new();
    let authority = Authority::new();
    let config = by_hand(&authority.issue(&NAMES));
    let (listener, port) = listen();
    for (client, kinds) in [
        (authority.client(), [HandshakeKind::Full, HandshakeKind::Resumed]),
        (authority.trusting().no_resumption().build().unwrap(), [HandshakeKind::Full; 2]),
    ] {
        for kind in kinds {
            let log = talk(&world, to("localhost", port, client.clone()));
            let mut peer = accept(&listener, &config);
            peer.answer("");
            peer.expect(support::TEXT, b"hello");
            assert_eq!(peer.stream.conn.handshake_kind(), Some(kind));
            peer.send(support::TEXT, b"hello");
            peer.expect(support::CLOSE, &support::close_payload(1000, ""));
            peer.send(support::CLOSE, &support::close_payload(1000, ""));
            drop(peer);
            assert!(log.closed().clean);
        }
    }
}

#[test]
fn a_certificate_is_replaced_under_a_hundred_open_connections() {
    const COUNT: usize = 100;
    let world = World::new();
    let (old, new) = (Authority::named("old"), Authority::named("new"));
    let tls = old.issue(&NAMES).server();
    let server = secure_echo(&world, tls.clone());
    let log = Log::default();
    let client = old.client();
    let clients: Vec<_> = (0..COUNT)
        .map(|_| world.dial_with(to("localhost", server.port, client.clone()), Script::new(&log)))
        .collect();
    log.wait_for("open", COUNT);
    let say = |text: &str| {
        for id in &clients {
            world.handle().remote(*id).unwrap().send(text).unwrap();
        }
        log.wait_for(&format!("text {text}"), COUNT);
    };
    say("before");
    tls.replace_with(&new.issue(&NAMES).server());
    say("after");
    assert!(talk(&world, to("localhost", server.port, new.client())).closed().clean);
    // The session of before is of no use with the certificate of now.
    let refused = talk(&world, to("localhost", server.port, client));
    assert_refused("old authority", "unknown issuer", &refused);
    say("still");
    for id in &clients {
        world.handle().remote(*id).unwrap().close(Some(1000), "").unwrap();
    }
    assert!(log.closes(COUNT).iter().all(|close| close.clean && close.code == 1000));
}

#[test]
fn a_certificate_may_be_replaced_at_any_moment_of_a_handshake() {
    const COUNT: usize = 100;
    let world = World::new();
    let authority = Authority::new();
    let [first, second] = [(); 2].map(|()| authority.issue(&NAMES).server());
    let tls = first.detached();
    let server = secure_echo(&world, tls.clone());
    let client = authority.client();
    let logs: Vec<_> = std::thread::scope(|scope| {
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while is_done.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                tls.replace_with(&second);
                tls.replace_with(&first);
            }
        });
        let dial = |_| talk(&world, to("localhost", server.port, client.clone()));
        let logs: Vec<_> = (0..COUNT).map(dial).collect();
        logs.iter().for_each(|log| assert!(log.closed().clean, "{:?}", log.closed()));
        drop(done);
        logs
    });
    assert!(logs.iter().all(|log| log.texts() == ["hello"]));
    assert!(server.log.closes(COUNT).iter().all(|close| close.clean), "within {PATIENCE:?}");
}

#[test]
fn a_server_has_a_certificate_for_each_name() {
    let world = World::new();
    let authorities = ["default", "wildcard", "exact"].map(Authority::named);
    let [default, wildcard, exact] = &authorities;
    let mut builder = ServerTls::builder();
    for issued in [
        default.issue(&NAMES),
        wildcard.issue(&["*.site.example"]),
        exact.issue(&["a.site.example"]),
    ] {
        builder = builder.cert_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    }
    let server = secure_echo(&world, builder.build().unwrap());
    for (host, authority) in [
        ("localhost", default),
        ("127.0.0.1", default),
        ("a.site.example", exact),
        ("b.site.example", wildcard),
    ] {
        let log = talk(&world, to(host, server.port, authority.client()));
        assert!(log.closed().clean, "{host}: {:?}", log.closed());
    }
    let log = talk(&world, to("unknown.example", server.port, default.client()));
    assert_refused("unknown name", "it is for \"localhost\", \"127.0.0.1\"", &log);
}
