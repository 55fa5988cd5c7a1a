mod options;

use rcgen::date_time_ymd;
use rustls::version::{TLS12, TLS13};

use super::super::testing::{Authority, Issued};
use super::super::trust::{ClientTls, ServerTls};
use super::*;

const HOST: &str = "server.example";

/// A session with the buffers that the event loop would lend it.
struct End {
    session: TlsSession,
    buf: Vec<u8>,
    plain: Vec<u8>,
    scratch: Vec<u8>,
}

impl End {
    fn new(session: TlsSession) -> Self {
        Self { session, buf: vec![0; 128 << 10], plain: Vec::new(), scratch: Vec::new() }
    }

    /// Receives `wire` in pieces of `piece` bytes.
    fn feed(&mut self, wire: &[u8], piece: usize) -> Result<bool, TlsError> {
        let mut peer_closed = false;
        for part in wire.chunks(piece) {
            let front = self.session.carry(&mut self.buf);
            self.buf[front..front + part.len()].copy_from_slice(part);
            let whole = &mut self.buf[..front + part.len()];
            peer_closed = self.session.receive(whole, &mut self.plain)?.peer_closed;
        }
        Ok(peer_closed)
    }

    /// Everything that is to be sent.
    fn drain(&mut self) -> Vec<u8> {
        let wire = self.session.outgoing().to_vec();
        self.session.sent(wire.len());
        wire
    }

    /// Encrypts all of `plain`.
    fn seal(&mut self, plain: &[&[u8]]) -> Vec<u8> {
        let mut wire = self.drain();
        let mut rest: Vec<u8> = plain.concat();
        let mut sealed = self.session.encrypt(plain, &mut self.scratch).unwrap();
        loop {
            wire.extend_from_slice(&self.scratch[sealed.cipher]);
            rest.drain(..sealed.taken);
            if rest.is_empty() {
                return wire;
            }
            sealed = self.session.encrypt(&[&rest], &mut self.scratch).unwrap();
        }
    }
}

fn pair(client: &ClientTls, server: &ServerTls, name: &str) -> (End, End) {
    let client = TlsSession::client(client.config(), name).unwrap();
    (End::new(client), End::new(TlsSession::server(server.config()).unwrap()))
}

/// Exchanges what both have to say, in pieces, until they are done or one fails.
fn shake(client: &mut End, server: &mut End, piece: usize) -> Result<(), (&'static str, TlsError)> {
    loop {
        let (hello, answer) = (client.drain(), server.drain());
        if hello.is_empty() && answer.is_empty() {
            return Ok(());
        }
        server.feed(&hello, piece).map_err(|error| ("server", error))?;
        client.feed(&answer, piece).map_err(|error| ("client", error))?;
    }
}

fn connected(issued: &Issued, authority: &Authority) -> (End, End) {
    let (mut client, mut server) = pair(&authority.client(), &issued.server(), HOST);
    shake(&mut client, &mut server, usize::MAX).unwrap();
    (client, server)
}

fn established() -> (End, End) {
    let authority = Authority::new();
    connected(&authority.issue(&[HOST]), &authority)
}

/// The lengths of the records in `wire`.
fn records(mut wire: &[u8]) -> Vec<usize> {
    let mut lens = Vec::new();
    while let [_, _, _, high, low, rest @ ..] = wire {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        lens.push(len);
        wire = &rest[len..];
    }
    lens
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

#[test]
fn a_handshake_may_be_cut_anywhere() {
    let authority = Authority::new();
    let issued = authority.issue(&[HOST]);
    for version in [&TLS12, &TLS13] {
        let tls = issued.server_with(&[version], |_| {});
        for piece in [1, 2, 3, 5, 7, 16, 61, 257, 1_021, usize::MAX] {
            let (mut client, mut server) = pair(&authority.client(), &tls, HOST);
            assert!(client.session.is_handshaking() && server.session.is_handshaking());
            shake(&mut client, &mut server, piece).unwrap();
            let case = format!("{:?} in pieces of {piece}", version.version);
            assert!(!client.session.is_handshaking(), "{case}");
            assert!(!server.session.is_handshaking(), "{case}");
            let wire = client.seal(&[b"hello"]);
            server.feed(&wire, piece).unwrap();
            let wire = server.seal(&[b"you", b" too"]);
            client.feed(&wire, piece).unwrap();
            assert_eq!(server.plain, b"hello", "{case}");
            assert_eq!(client.plain, b"you too", "{case}");
        }
    }
}

#[test]
fn every_single_cut_of_the_first_flight_is_fine() {
    let authority = Authority::new();
    let tls = authority.issue(&[HOST]).server();
    let client = authority.client();
    let len = TlsSession::client(client.config(), HOST).unwrap().outgoing().len();
    for cut in 1..len {
        let (mut client, mut server) = pair(&client, &tls, HOST);
        let hello = client.drain();
        // Its length varies a little.
        let (first, second) = hello.split_at(cut.min(hello.len()));
        server.feed(first, usize::MAX).unwrap();
        server.feed(second, usize::MAX).unwrap();
        assert!(!server.session.outgoing().is_empty(), "cut at {cut}");
    }
}

#[test]
fn data_of_any_length_in_any_slices_arrives() {
    let (mut client, mut server) = established();
    let mut case = 0;
    for len in [1, 16_383, 16_384, 16_385, 40_000, MAX_ENCRYPT, MAX_ENCRYPT + 1, 1 << 20] {
        let data = noise(len);
        for slice in [len, 16_384, 10_000, len.div_ceil(9)] {
            for piece in [usize::MAX, 128, 40_000] {
                // Pieces must leave room for what is carried.
                let piece = piece.min(40 << 10);
                case += 1;
                let slices: Vec<_> = data.chunks(slice).collect();
                let wire = client.seal(&slices);
                server.plain.clear();
                server.feed(&wire, piece).unwrap();
                assert!(server.plain == data, "case {case}: {len} in {slice} by {piece}");
            }
        }
    }
}

#[test]
fn small_slices_share_a_record() {
    let (mut client, mut server) = established();
    let data = noise(4_096);
    let slices: Vec<_> = data.chunks(64).collect();
    let wire = client.seal(&slices);
    assert_eq!(records(&wire).len(), 1);
    server.feed(&wire, usize::MAX).unwrap();
    assert_eq!(server.plain, data);
    // A short header before a long payload does not cost a record of its own.
    let wire = client.seal(&[&[1; 10], &[2; 2 * RECORD - 10]]);
    assert_eq!(records(&wire).len(), 2);
    assert_eq!(records(&client.seal(&[&[], &[3; 5], &[]])).len(), 1);
}

#[test]
fn nothing_is_encrypted_before_the_handshake_ended() {
    let authority = Authority::new();
    let (mut client, _) = pair(&authority.client(), &authority.issue(&[HOST]).server(), HOST);
    let sealed = client.session.encrypt(&[b"early"], &mut client.scratch).unwrap();
    assert_eq!(sealed, Sealed { taken: 0, cipher: 0..0 });
}

#[test]
fn an_idle_session_owns_no_buffers() {
    let (mut client, mut server) = established();
    let wire = client.seal(&[&noise(100_000)]);
    server.feed(&wire, 1_000).unwrap();
    let wire = server.seal(&[&noise(100_000)]);
    client.feed(&wire, 1_000).unwrap();
    for session in [&client.session, &server.session] {
        assert_eq!(session.kept.capacity(), 0);
        assert_eq!(session.outgoing.bytes.capacity(), 0);
    }
}

#[test]
fn sending_between_the_parts_of_a_cut_message_is_fine() {
    let authority = Authority::new();
    let issued = authority.issue(&[HOST]);
    // The tickets that follow the handshake then come in several records each.
    let tls = issued.server_with(&[&TLS13], |config| config.max_fragment_size = Some(40));
    let (mut client, mut server) = pair(&authority.client(), &tls, HOST);
    let hello = client.drain();
    server.feed(&hello, usize::MAX).unwrap();
    let answer = server.drain();
    client.feed(&answer, usize::MAX).unwrap();
    let finished = client.drain();
    server.feed(&finished, usize::MAX).unwrap();
    let tickets = server.drain();
    let mut at = 0;
    assert!(records(&tickets).len() > 2, "the tickets are cut");
    for len in records(&tickets) {
        let (first, second) = tickets[at..at + 5 + len].split_at(3);
        client.feed(first, usize::MAX).unwrap();
        let wire = client.seal(&[b"x"]);
        client.feed(second, usize::MAX).unwrap();
        let more = client.seal(&[b"y"]);
        server.feed(&wire, usize::MAX).unwrap();
        server.feed(&more, usize::MAX).unwrap();
        at += 5 + len;
    }
    let wire = server.seal(&[b"done"]);
    client.feed(&wire, usize::MAX).unwrap();
    assert_eq!(client.plain, b"done");
    assert_eq!(client.session.kept(), 0);
}

#[test]
fn a_hello_in_tiny_records_is_understood() {
    let authority = Authority::new();
    let (mut client, mut server) =
        pair(&authority.client(), &authority.issue(&[HOST]).server(), HOST);
    let hello = client.drain();
    let mut tiny = Vec::new();
    for byte in &hello[5..] {
        tiny.extend_from_slice(&[22, 3, 1, 0, 1, *byte]);
    }
    server.feed(&tiny, 100).unwrap();
    let answer = server.drain();
    client.feed(&answer, usize::MAX).unwrap();
    assert!(!client.session.is_handshaking());
}

#[test]
fn an_endless_hello_is_refused() {
    let authority = Authority::new();
    let (_, mut server) = pair(&authority.client(), &authority.issue(&[HOST]).server(), HOST);
    server.feed(&[22, 3, 1, 0, 4, 1, 0, 0xff, 0xff], usize::MAX).unwrap();
    let record = [22, 3, 1, 0, 1, 0].repeat(1_000);
    let error = (0..100).find_map(|_| server.feed(&record, usize::MAX).err()).unwrap();
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn close_notify_is_told_from_a_cut() {
    let (mut client, mut server) = established();
    let mut wire = server.seal(&[b"last"]);
    assert!(!client.feed(&wire, usize::MAX).unwrap());
    wire = server.seal(&[b" words"]);
    server.session.close_notify();
    server.session.close_notify();
    wire.extend_from_slice(&server.drain());
    assert_eq!(records(&wire).len(), 2, "it is said once");
    // What follows does not count.
    wire.extend_from_slice(b"garbage");
    assert!(client.feed(&wire, usize::MAX).unwrap());
    assert_eq!(client.plain, b"last words");
    assert!(client.session.is_peer_closed());
    // The other direction is still open.
    let wire = client.seal(&[b"answer"]);
    server.feed(&wire, usize::MAX).unwrap();
    assert_eq!(server.plain, b"answer");
    // Nothing goes out after our own goodbye.
    assert_eq!(server.session.encrypt(&[b"x"], &mut server.scratch).unwrap().taken, 0);
}

#[test]
fn a_manipulated_record_fails_with_an_alert() {
    let (mut client, mut server) = established();
    let good = client.seal(&[b"good"]);
    let mut bad = client.seal(&[b"bad"]);
    *bad.last_mut().unwrap() ^= 1;
    let error = server.feed(&[good, bad].concat(), usize::MAX).unwrap_err();
    assert!(error.to_string().contains("cannot be decrypted"), "{error}");
    assert!(!error.is_certificate());
    assert_eq!(server.plain, b"good", "what was good before it counts");
    let alert = server.drain();
    let error = client.feed(&alert, usize::MAX).unwrap_err();
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    assert!(server.feed(b"more", usize::MAX).is_err());
    assert!(server.session.outgoing().is_empty(), "one alert is enough");
}

/// Shakes hands until somebody fails, and delivers the alert. Both errors, the client's first.
fn refusal(client: &ClientTls, server: &ServerTls, name: &str) -> (TlsError, TlsError) {
    let (mut client, mut server) = pair(client, server, name);
    let (who, error) = shake(&mut client, &mut server, usize::MAX).unwrap_err();
    if who == "client" {
        let alert = client.drain();
        (error, server.feed(&alert, usize::MAX).unwrap_err())
    } else {
        let alert = server.drain();
        (client.feed(&alert, usize::MAX).unwrap_err(), error)
    }
}

#[test]
fn a_bad_certificate_is_refused_in_plain_words() {
    let authority = Authority::new();
    let long_ago = authority.issue_with(&[HOST], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let some_day = authority.issue_with(&[HOST], |params| {
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(3000, 1, 1);
    });
    let stranger = Authority::named("stranger").issue(&[HOST]);
    let self_signed = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let self_signed =
        Issued { chain: self_signed.cert.pem(), key: self_signed.signing_key.serialize_pem() };
    let wildcard = || authority.issue(&["*.site.example"]);
    for (case, issued, name, text) in [
        ("expired", long_ago, HOST, "certificate expired"),
        ("future", some_day, HOST, "not valid yet"),
        (
            "other name",
            authority.issue(&["a.example", "b.example"]),
            HOST,
            "not valid for name \"server.example\": it is for \"a.example\", \"b.example\"",
        ),
        ("no name", authority.issue(&[]), HOST, "it has no names"),
        ("other authority", stranger, HOST, "unknown issuer or self-signed"),
        ("self-signed", self_signed, HOST, "unknown issuer or self-signed"),
        ("deep wildcard", wildcard(), "a.b.site.example", "not valid for name"),
        ("bare wildcard", wildcard(), "site.example", "not valid for name"),
        ("other address", authority.issue(&["127.0.0.1"]), "127.0.0.2", "it is for \"127.0.0.1\""),
        ("address for a name", authority.issue(&["127.0.0.1"]), HOST, "not valid for name"),
    ] {
        let (client, server) = refusal(&authority.client(), &issued.server(), name);
        assert!(client.to_string().contains(text), "{case}: {client}");
        assert!(client.is_certificate(), "{case}");
        assert!(server.to_string().contains("peer rejected our certificate"), "{case}: {server}");
        assert!(server.is_certificate(), "{case}");
    }
}

#[test]
fn an_authority_with_a_borrowed_name_is_refused() {
    let impostor = Authority::new().issue(&[HOST]);
    let (client, _) = refusal(&Authority::new().client(), &impostor.server(), HOST);
    assert_eq!(client.to_string(), "certificate has a bad signature");
    assert!(client.is_certificate());
}

#[test]
fn good_names_and_addresses_are_accepted() {
    let authority = Authority::new();
    for (names, asked) in [
        ([HOST, "other.example"], HOST),
        (["*.site.example", "x"], "a.site.example"),
        (["127.0.0.1", "x"], "127.0.0.1"),
        (["::1", "x"], "::1"),
        (["xn--bcher-kva.example", "x"], "xn--bcher-kva.example"),
    ] {
        let tls = authority.issue(&names).server();
        let (mut client, mut server) = pair(&authority.client(), &tls, asked);
        let hello = client.session.outgoing();
        let told = hello.windows(asked.len()).any(|window| window == asked.as_bytes());
        assert_eq!(told, asked.contains("example"), "{asked} as SNI");
        shake(&mut client, &mut server, usize::MAX).map_err(|(_, error)| error).expect(asked);
    }
}

#[test]
fn a_name_that_is_none_is_refused() {
    let client = Authority::new().client();
    for name in ["", "a b", "[::1]", "ä.example", "a..b", "xn--a-"] {
        let error = TlsSession::client(client.config(), name).err().expect(name);
        assert!(error.to_string().contains("neither a host name"), "{error}");
    }
}

#[test]
fn verification_can_be_switched_off_only_by_a_dangerous_name() {
    let client = ClientTls::builder().danger_no_verification().build().unwrap();
    let issued = Authority::new().issue(&["other.example"]);
    for version in [&TLS12, &TLS13] {
        let (mut client, mut server) = pair(&client, &issued.server_with(&[version], |_| {}), HOST);
        shake(&mut client, &mut server, usize::MAX).unwrap();
    }
}

#[test]
fn versions_must_meet() {
    let authority = Authority::new();
    let builder = ClientTls::builder().ca_pem(authority.pem().as_bytes()).unwrap();
    let modern = builder.only_these_cas().min_version_1_3().build().unwrap();
    let old = authority.issue(&[HOST]).server_with(&[&TLS12], |_| {});
    let (client, server) = refusal(&modern, &old, HOST);
    assert!(client.to_string().contains("no TLS version in common"), "{client}");
    assert!(server.to_string().contains("no TLS version in common"), "{server}");
}

#[test]
fn only_http_1_1_is_negotiated() {
    let authority = Authority::new();
    let issued = authority.issue(&[HOST]);
    let http2 = issued.server_with(&[&TLS13], |c| c.alpn_protocols = vec![b"h2".to_vec()]);
    let (client, server) = refusal(&authority.client(), &http2, HOST);
    assert!(client.to_string().contains("does not serve http/1.1"), "{client}");
    assert!(server.to_string().contains("ALPN"), "{server}");
    for (name, client, server) in [
        ("client without ALPN", authority.client().without_alpn(), issued.server()),
        ("server without ALPN", authority.client(), issued.server_with(&[&TLS13], |_| {})),
        ("both with", authority.client(), issued.server()),
    ] {
        let (mut client, mut server) = pair(&client, &server, HOST);
        shake(&mut client, &mut server, usize::MAX).map_err(|(_, error)| error).expect(name);
    }
}

#[test]
fn a_peer_without_tls_is_recognised() {
    let authority = Authority::new();
    let tls = authority.issue(&[HOST]).server();
    for (sent, piece, text) in [
        (&b"GET /chat HTTP/1.1\r\nHost: x\r\n\r\n"[..], usize::MAX, "(it sent plain HTTP)"),
        (b"GET /chat HTTP/1.1\r\nHost: x\r\n\r\n", 5, "(it sent plain HTTP)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 5, "(it sent plain HTTP)"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", usize::MAX, "peer does not speak TLS"),
        (&[0; 64], usize::MAX, "peer does not speak TLS"),
        (&[0xff; 64], 1, "peer does not speak TLS"),
    ] {
        let (client, server) = pair(&authority.client(), &tls, HOST);
        for mut end in [client, server] {
            let _ = end.drain();
            let error = end.feed(sent, piece).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(end.drain().first(), Some(&21), "an alert for the peer");
        }
    }
}
