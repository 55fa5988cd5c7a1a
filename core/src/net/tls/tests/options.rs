//! The options of both roles, each with what it lets through and what it stops.

use rustls::crypto::CryptoProvider;
use rustls::{HandshakeKind, ProtocolVersion};

use super::*;
use crate::net::trust::{ClientTlsBuilder, ServerTlsBuilder, provider};

impl End {
    fn kind(&self) -> HandshakeKind {
        let kind = match &self.session.connection {
            Connection::Client(connection) => connection.handshake_kind(),
            Connection::Server(connection) => connection.handshake_kind(),
        };
        kind.unwrap()
    }

    fn version(&self) -> ProtocolVersion {
        let version = match &self.session.connection {
            Connection::Client(connection) => connection.protocol_version(),
            Connection::Server(connection) => connection.protocol_version(),
        };
        version.unwrap()
    }

    /// The peer's certificate, and what came with it.
    fn shown(&self) -> Vec<Vec<u8>> {
        let shown = match &self.session.connection {
            Connection::Client(connection) => connection.peer_certificates(),
            Connection::Server(connection) => connection.peer_certificates(),
        };
        shown.unwrap_or_default().iter().map(|certificate| certificate.to_vec()).collect()
    }
}

/// A client's settings so far: it trusts this authority and nobody else.
fn trusting(authority: &Authority) -> ClientTlsBuilder {
    ClientTls::builder().ca_pem(authority.pem().as_bytes()).unwrap().only_these_cas()
}

/// A server's settings so far.
fn showing(issued: &Issued) -> ServerTlsBuilder {
    ServerTls::builder().cert_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap()
}

fn default_provider() -> CryptoProvider {
    CryptoProvider::clone(&provider().unwrap())
}

/// Shakes hands to the last word and returns both ends.
fn meet(client: &ClientTls, server: &ServerTls) -> (End, End) {
    let (mut client, mut server) = pair(client, server, HOST);
    shake(&mut client, &mut server, usize::MAX).map_err(|(_, error)| error).unwrap();
    let wire = client.seal(&[b"ping"]);
    server.feed(&wire, usize::MAX).unwrap();
    let wire = server.seal(&[b"pong"]);
    client.feed(&wire, usize::MAX).unwrap();
    assert_eq!((&*server.plain, &*client.plain), (&b"ping"[..], &b"pong"[..]));
    (client, server)
}

/// What was shown is the front of this PEM text.
fn is_from(shown: &[Vec<u8>], issued: &Issued) -> bool {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let own = CertificateDer::from_pem_slice(issued.chain.as_bytes()).unwrap();
    shown.first().is_some_and(|first| **first == *own)
}

#[test]
fn a_second_connection_resumes_unless_one_side_does_not_want_to() {
    let authority = Authority::new();
    let issued = authority.issue(&[HOST]);
    for modern in [false, true] {
        for (client_wants, server_wants) in
            [(true, true), (false, true), (true, false), (false, false)]
        {
            let (mut client, mut server) = (trusting(&authority), showing(&issued));
            if !client_wants {
                client = client.no_resumption();
            }
            if !server_wants {
                server = server.no_resumption();
            }
            let server = if modern {
                server.build().unwrap()
            } else {
                let storage = server.build().unwrap().config().session_storage.clone();
                issued.server_with(&[&TLS12], |config| config.session_storage = storage)
            };
            let client = client.build().unwrap();
            let (first, _) = meet(&client, &server);
            let case = format!("{:?}, {client_wants}, {server_wants}", first.version());
            assert_eq!(first.kind(), HandshakeKind::Full, "{case}");
            let expected = match client_wants && server_wants {
                true => HandshakeKind::Resumed,
                false => HandshakeKind::Full,
            };
            for _ in 0..3 {
                let (client, server) = meet(&client, &server);
                assert_eq!((client.kind(), server.kind()), (expected, expected), "{case}");
            }
        }
    }
}

#[test]
fn sessions_are_not_resumed_with_other_settings() {
    let authority = Authority::new();
    let server = authority.issue(&[HOST]).server();
    let client = authority.client();
    let _ = meet(&client, &server);
    // Another client's sessions are its own, so nobody gets around its own verification.
    assert_eq!(meet(&authority.client(), &server).0.kind(), HandshakeKind::Full);
    assert_eq!(meet(&client, &server).0.kind(), HandshakeKind::Resumed);
    server.replace_with(&authority.issue(&[HOST]).server());
    assert_eq!(meet(&client, &server).0.kind(), HandshakeKind::Full);
    assert_eq!(meet(&client, &server).0.kind(), HandshakeKind::Resumed);
}

#[test]
fn replaced_settings_count_for_new_connections_only_and_for_all_clones() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(&[HOST]), authority.issue(&[HOST]));
    let (tls, client) = (old.server(), trusting(&authority).no_resumption().build().unwrap());
    let (clone, detached) = (tls.clone(), tls.detached());
    let (mut open_client, mut open_server) = meet(&client, &tls);
    // One that is in its handshake goes on with what it began with.
    let (mut early_client, mut early_server) = pair(&client, &tls, HOST);
    clone.replace_with(&new.server());
    shake(&mut early_client, &mut early_server, usize::MAX).map_err(|(_, error)| error).unwrap();
    assert!(is_from(&early_client.shown(), &old));
    let wire = open_client.seal(&[b"still"]);
    open_server.feed(&wire, usize::MAX).unwrap();
    assert_eq!(open_server.plain, b"pingstill");
    for (case, tls, expected) in
        [("itself", &tls, &new), ("clone", &clone, &new), ("detached", &detached, &old)]
    {
        assert!(is_from(&meet(&client, tls).0.shown(), expected), "{case}");
    }
    // With itself nothing changes, and nothing hangs.
    tls.replace_with(&clone);
    assert!(is_from(&meet(&client, &tls).0.shown(), &new));
}

#[test]
fn settings_may_be_replaced_while_others_shake_hands() {
    let authority = Authority::new();
    let issued: Vec<_> = (0..4).map(|_| authority.issue(&[HOST]).server()).collect();
    let (tls, client) = (issued[0].detached(), authority.client());
    std::thread::scope(|scope| {
        for next in &issued {
            let tls = tls.clone();
            scope.spawn(move || (0..200).for_each(|_| tls.replace_with(next)));
        }
        for _ in 0..20 {
            let _ = meet(&client, &tls);
        }
    });
}

#[test]
fn a_pin_has_to_be_of_a_key_that_vouches() {
    let root = Authority::named("root");
    let intermediate = root.intermediate("intermediate");
    let issued = intermediate.issue(&[HOST]);
    let stranger = Authority::named("stranger");
    let chain = issued.with(&[&intermediate]);
    let with_root = issued.with(&[&intermediate, &root]);
    let with_stranger = issued.with(&[&intermediate, &stranger]);
    let (own, middle, top) = (issued.pin(), intermediate.pin(), root.pin());
    let other = stranger.pin();
    for (case, server, pins, fits) in [
        ("own key", &chain, &[&own][..], true),
        ("intermediate", &chain, &[&middle], true),
        ("root, not sent", &chain, &[&top], true),
        ("root, sent", &with_root, &[&top], true),
        ("one of several", &chain, &[&other, &middle, &other], true),
        ("another's", &chain, &[&other], false),
        ("another's in the chain", &with_stranger, &[&other], false),
        ("several of others", &chain, &[&other, &other], false),
    ] {
        for version in [&TLS12, &TLS13] {
            let mut client = trusting(&root).no_resumption();
            for pin in pins {
                client = client.pin(pin).unwrap();
            }
            let (client, tls) = (client.build().unwrap(), server.server_with(&[version], |_| {}));
            if fits {
                let _ = meet(&client, &tls);
                continue;
            }
            let (client, server) = refusal(&client, &tls, HOST);
            assert!(client.is_certificate(), "{case}");
            let text = format!("no pin matches the certificate (its key is {own})");
            assert_eq!(client.to_string(), text, "{case}");
            assert!(server.to_string().contains("rejected our certificate"), "{case}: {server}");
        }
    }
}

#[test]
fn a_pin_does_not_replace_the_verification() {
    let (authority, stranger) = (Authority::new(), Authority::named("stranger"));
    let wrong_name = authority.issue(&["other.example"]);
    let untrusted = stranger.issue(&[HOST]);
    for (issued, text) in [(&wrong_name, "not valid for name"), (&untrusted, "not trusted")] {
        let client = trusting(&authority).pin(&issued.pin()).unwrap().build().unwrap();
        let (client, _) = refusal(&client, &issued.server(), HOST);
        assert!(client.to_string().contains(text), "{client}");
    }
}

#[test]
fn without_verification_only_the_servers_own_key_counts_as_pinned() {
    let authority = Authority::new();
    let issued = authority.issue(&["other.example"]);
    let chain = issued.with(&[&authority]);
    let client = |pin: &str| {
        let builder = ClientTls::builder().ca_pem(authority.pem().as_bytes()).unwrap();
        builder.danger_no_verification().pin(pin).unwrap().build().unwrap()
    };
    let _ = meet(&client(&issued.pin()), &chain.server());
    let (error, _) = refusal(&client(&authority.pin()), &chain.server(), HOST);
    assert!(error.is_certificate() && error.to_string().contains("no pin"), "{error}");
}

#[test]
fn clients_show_who_they_are() {
    let (authority, clients) = (Authority::new(), Authority::named("clients"));
    let issued = authority.issue(&[HOST]);
    let good = clients.issue(&["client"]);
    let bad = Authority::named("others").issue(&["client"]);
    let expired = clients.issue_with(&["client"], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let identified = |own: Option<&Issued>| {
        let client = trusting(&authority);
        let client = match own {
            Some(own) => client.client_cert_pem(own.chain.as_bytes(), own.key.as_bytes()).unwrap(),
            None => client,
        };
        client.build().unwrap()
    };
    for optional in [false, true] {
        let server = || {
            let server = showing(&issued).client_ca_pem(clients.pem().as_bytes()).unwrap();
            if optional { server.optional_client_certs() } else { server }.build().unwrap()
        };
        let (_, seen) = meet(&identified(Some(&good)), &server());
        assert!(is_from(&seen.shown(), &good));
        // Who it was is remembered with the session.
        let (client, tls) = (identified(Some(&good)), server());
        let _ = meet(&client, &tls);
        let (_, seen) = meet(&client, &tls);
        assert_eq!(seen.kind(), HandshakeKind::Resumed);
        assert!(is_from(&seen.shown(), &good));
        for (own, server_says, client_says) in [
            (&bad, "not trusted", "peer rejected our certificate"),
            (&expired, "certificate expired", "peer rejected our certificate"),
        ] {
            let (client, server) = refusal(&identified(Some(own)), &server(), HOST);
            assert!(server.to_string().contains(server_says), "{server}");
            assert!(client.to_string().contains(client_says), "{client}");
            assert!(client.is_certificate() && server.is_certificate());
        }
        if optional {
            assert!(meet(&identified(None), &server()).1.shown().is_empty());
        } else {
            let (client, server) = refusal(&identified(None), &server(), HOST);
            assert!(server.to_string().contains("presented no certificate"), "{server}");
            assert!(client.to_string().contains("demands a certificate of us"), "{client}");
            assert!(client.is_certificate() && server.is_certificate());
        }
    }
    // A server that asks for none gets none.
    assert!(meet(&identified(Some(&good)), &issued.server()).1.shown().is_empty());
    let error = showing(&issued).optional_client_certs().build().unwrap_err();
    assert!(error.to_string().contains("no authority for the certificates of clients"), "{error}");
}

#[test]
fn new_rules_for_clients_hold_for_those_who_were_let_in_before() {
    let (authority, old, new) =
        (Authority::new(), Authority::named("old"), Authority::named("new"));
    let issued = authority.issue(&[HOST]);
    let server = |clients: &Authority| {
        showing(&issued).client_ca_pem(clients.pem().as_bytes()).unwrap().build().unwrap()
    };
    let own = old.issue(&["client"]);
    let client = trusting(&authority).client_cert_pem(own.chain.as_bytes(), own.key.as_bytes());
    let client = client.unwrap().build().unwrap();
    let tls = server(&old);
    let _ = meet(&client, &tls);
    tls.replace_with(&server(&new));
    let (_, error) = refusal(&client, &tls, HOST);
    assert!(error.to_string().contains("not trusted"), "{error}");
}

#[test]
fn a_server_shows_the_certificate_for_the_name() {
    let authority = Authority::new();
    let names =
        [&["default.example", "127.0.0.1"][..], &["*.site.example"], &[HOST, "a.site.example"]];
    let issued: Vec<_> = names.iter().map(|names| authority.issue(names)).collect();
    let mut builder = ServerTls::builder();
    for issued in &issued {
        builder = builder.cert_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
    }
    let tls = builder.build().unwrap();
    for (name, place) in [
        (HOST, 2),
        ("x.site.example", 1),
        ("a.site.example", 2),
        ("default.example", 0),
        ("127.0.0.1", 0),
        ("SERVER.example", 2),
    ] {
        let (mut client, mut server) = pair(&authority.client(), &tls, name);
        shake(&mut client, &mut server, usize::MAX).map_err(|(_, error)| error).expect(name);
        assert!(is_from(&client.shown(), &issued[place]), "{name}");
    }
    let (client, _) = refusal(&authority.client(), &tls, "a.b.site.example");
    assert!(client.to_string().contains("it is for \"default.example\""), "{client}");
}

#[test]
fn of_two_certificates_for_a_name_the_client_gets_one_that_it_can_verify() {
    let authority = Authority::new();
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new([HOST.to_owned()]).unwrap();
    let modern =
        Issued { chain: params.self_signed(&ed25519).unwrap().pem(), key: ed25519.serialize_pem() };
    let common = authority.issue(&[HOST]);
    let tls = showing(&modern).cert_pem(common.chain.as_bytes(), common.key.as_bytes());
    let tls = tls.unwrap().build().unwrap();
    // A client that offers no Ed25519.
    let mut provider = default_provider();
    let offered = provider.signature_verification_algorithms.mapping;
    let mapping: Vec<_> = offered
        .iter()
        .filter(|(scheme, _)| *scheme != rustls::SignatureScheme::ED25519)
        .copied()
        .collect();
    provider.signature_verification_algorithms.mapping = mapping.leak();
    let client = authority.client_with(provider, rustls::ALL_VERSIONS);
    assert!(is_from(&meet(&client, &tls).0.shown(), &common));
    // One that offers all is shown the first, and then does not trust it here.
    let (error, _) = refusal(&authority.client(), &tls, HOST);
    assert!(error.to_string().contains("self-signed"), "{error}");
}

#[test]
fn a_server_can_refuse_tls_1_2() {
    let authority = Authority::new();
    let issued = authority.issue(&[HOST]);
    let tls = showing(&issued).min_version_1_3().build().unwrap();
    let (client, _) = meet(&authority.client(), &tls);
    assert_eq!(client.version(), ProtocolVersion::TLSv1_3);
    let old = authority.client_with(default_provider(), &[&TLS12]);
    let (client, server) = refusal(&old, &tls, HOST);
    assert!(client.to_string().contains("no TLS version in common"), "{client}");
    assert!(server.to_string().contains("no TLS version in common"), "{server}");
    let (client, _) = meet(&old, &issued.server());
    assert_eq!(client.version(), ProtocolVersion::TLSv1_2, "it is the default minimum");
}

#[test]
fn secrets_are_logged_where_that_was_asked_for() {
    let authority = Authority::new();
    let issued = authority.issue(&[HOST]);
    let folder = tempfile(&issued);
    let (ours, theirs) = (folder.join("client.keys"), folder.join("server.keys"));
    let client = trusting(&authority).key_log_file(&ours).unwrap().build().unwrap();
    let server = showing(&issued).key_log_file(&theirs).unwrap().build().unwrap();
    let _ = meet(&client, &server);
    let text = std::fs::read_to_string(&ours).unwrap();
    let labels: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        labels,
        [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET"
        ]
    );
    for line in text.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        assert_eq!(fields.len(), 3, "{line}");
        assert_eq!(fields[1].len(), 64, "{line}");
        assert!(fields[2].len() >= 64, "{line}");
        assert!(fields[1..].iter().all(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
    let mut both = [text.clone(), std::fs::read_to_string(&theirs).unwrap()]
        .map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    both.iter_mut().for_each(|lines| lines.sort());
    assert_eq!(both[0], both[1], "both ends have the same secrets");
    // It is appended to, and for nobody else to read.
    let _ = meet(&client, &server);
    assert_eq!(std::fs::read_to_string(&ours).unwrap().lines().count(), 2 * labels.len());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&ours).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(!format!("{client:?}").contains("CLIENT_"), "no secret in it");
    std::fs::remove_dir_all(folder).unwrap();
    let error = ClientTls::builder().key_log_file("/no/such/folder/keys").err().unwrap();
    assert!(error.to_string().starts_with("/no/such/folder/keys: "), "{error}");
}

/// A new folder; what was issued just now makes its name unique.
fn tempfile(issued: &Issued) -> std::path::PathBuf {
    let unique: String = issued.pin().chars().filter(char::is_ascii_alphanumeric).collect();
    let folder = std::env::temp_dir().join(format!("tightwire-{unique}"));
    std::fs::create_dir(&folder).unwrap();
    folder
}
