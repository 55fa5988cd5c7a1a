use std::net::{TcpListener, TcpStream as StdStream};

use socket2::SockRef;

use super::*;

/// Two ends of a connection through the system, with small buffers if `small`.
fn sockets(small: bool) -> (Owned<TcpStream>, Owned<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for socket in [&client, &server] {
        if small {
            SockRef::from(socket).set_send_buffer_size(16 << 10).unwrap();
            SockRef::from(socket).set_recv_buffer_size(16 << 10).unwrap();
        }
    }
    (socket::adopt(client).unwrap().into(), socket::adopt(server).unwrap().into())
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

/// Reads on until something happens.
fn wait(mut read: impl FnMut() -> ReadOutcome) -> ReadOutcome {
    loop {
        match read() {
            ReadOutcome::WouldBlock => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
}

#[test]
fn a_stream_is_small() {
    assert!(size_of::<Stream>() <= 16);
    assert!(size_of::<StreamError>() <= 16);
}

#[test]
fn plain_bytes_survive_a_full_socket() {
    let (client, server) = sockets(true);
    let (mut client, mut server) = (Stream::Plain(client), Stream::Plain(server));
    let data = noise(3 << 20);
    let (mut sent, mut got, mut full) = (0, Vec::new(), 0);
    let (mut buf, mut scratch) = (vec![0; 64 << 10], Vec::new());
    while got.len() < data.len() {
        let rest = &data[sent..];
        let (head, tail) = rest.split_at(rest.len() / 3);
        let written = client.write(&[head, &[], tail], &mut scratch).unwrap();
        sent += written.taken;
        full += usize::from(written.blocked);
        if let ReadOutcome::Data(count) = server.read_plain(&mut buf).unwrap() {
            got.extend_from_slice(&buf[..count]);
        }
    }
    assert!(got == data);
    assert!(full > 0, "the socket was full at times");
    assert!(scratch.is_empty() && !client.has_unsent());
    client.shutdown_write();
    let end = wait(|| server.read_plain(&mut buf).unwrap());
    assert_eq!(end, ReadOutcome::End { truncated: false });
    assert_eq!(client.peer_addr().unwrap(), server.source().local_addr().unwrap());
}

#[test]
fn a_write_to_a_gone_peer_is_an_error_and_no_signal() {
    let (client, server) = sockets(false);
    let mut client = Stream::Plain(client);
    let server = Stream::Plain(server);
    server.reset_on_drop().unwrap();
    drop(server);
    let error = loop {
        match client.write(&[b"a", b"b"], &mut Vec::new()) {
            Ok(_) => std::thread::yield_now(),
            Err(StreamError::Io(error)) => break error,
            #[cfg(feature = "tls")]
            Err(StreamError::Tls(error)) => panic!("{error}"),
        }
    };
    let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
    assert!(kinds.contains(&error.kind()), "{error}");
    let again = client.write(&[b"a", b"b"], &mut Vec::new());
    assert!(matches!(again, Err(StreamError::Io(error)) if error.kind() == kinds[0]));
}

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
mod tls {
    use super::super::super::testing::Authority;
    use super::*;

    struct End {
        stream: Stream,
        cipher: Vec<u8>,
        plain: Vec<u8>,
        scratch: Vec<u8>,
        shorts: usize,
    }

    impl End {
        fn new(stream: Stream) -> Self {
            let (plain, scratch) = (Vec::new(), Vec::new());
            Self { stream, cipher: vec![0; 128 << 10], plain, scratch, shorts: 0 }
        }

        fn receive(&mut self) -> Result<ReadOutcome, StreamError> {
            let (outcome, short) = self.stream.receive(&mut self.cipher, &mut self.plain)?;
            self.shorts += usize::from(short);
            Ok(outcome)
        }

        fn write(&mut self, data: &[u8]) -> Result<Written, StreamError> {
            let (head, tail) = data.split_at(data.len().min(10));
            self.stream.write(&[head, tail], &mut self.scratch)
        }
    }

    fn ends(small: bool, name: &str) -> (End, End) {
        let authority = Authority::new();
        let (client, server) = sockets(small);
        let client = Stream::Plain(client).secure(&authority.client(), name).unwrap();
        let server = Stream::tls_server(server, &authority.issue(&["a.example"]).server()).unwrap();
        (End::new(client), End::new(server))
    }

    fn established(small: bool) -> (End, End) {
        let (mut client, mut server) = ends(small, "a.example");
        assert!(client.stream.has_unsent() && !server.stream.has_unsent());
        while client.stream.is_handshaking() || server.stream.is_handshaking() {
            for end in [&mut client, &mut server] {
                assert_eq!(end.write(b"").unwrap().taken, 0);
                end.receive().unwrap();
            }
        }
        (client, server)
    }

    #[test]
    fn secured_bytes_survive_a_full_socket_in_both_directions() {
        let (mut client, mut server) = established(true);
        let data = noise(3 << 20);
        let mut sent = [0, 0];
        let mut full = 0;
        while client.plain.len() < data.len() || server.plain.len() < data.len() {
            for (end, sent) in [&mut client, &mut server].into_iter().zip(&mut sent) {
                let written = end.write(&data[*sent..]).unwrap();
                *sent += written.taken;
                full += usize::from(written.blocked);
                end.receive().unwrap();
            }
        }
        assert!(client.plain == data && server.plain == data);
        assert!(full > 0, "the socket was full at times");
        assert!(client.shorts > 0);
        assert!(!client.stream.has_unsent());
    }

    #[test]
    fn a_blocked_stream_does_not_pile_ciphertext_up() {
        let (mut client, _server) = established(true);
        let data = noise(8 << 20);
        let mut sent = 0;
        for _ in 0..200 {
            let written = client.write(&data[sent..]).unwrap();
            sent += written.taken;
        }
        assert!(sent < 4 << 20, "{sent} bytes were encrypted");
        let Stream::Tls(stream) = &client.stream else { unreachable!() };
        assert!(stream.session.outgoing().len() <= 300 << 10);
        assert!(client.write(b"").unwrap().blocked);
    }

    #[test]
    fn a_goodbye_is_told_from_a_cut() {
        let (mut client, mut server) = established(false);
        server.write(b"bye").unwrap();
        server.stream.close_notify();
        assert!(server.stream.has_unsent());
        assert!(!server.write(b"").unwrap().blocked && !server.stream.has_unsent());
        // The stream stays open, so there will be no further event: the end has to be told.
        while client.plain != b"bye" || wait(|| client.receive().unwrap()) == ReadOutcome::Data(0) {
            wait(|| client.receive().unwrap());
        }
        assert_eq!(client.receive().unwrap(), ReadOutcome::End { truncated: false });

        let (mut client, mut server) = established(false);
        server.write(b"cut").unwrap();
        server.stream.shutdown_write();
        let mut outcome = wait(|| client.receive().unwrap());
        while let ReadOutcome::Data(_) = outcome {
            outcome = wait(|| client.receive().unwrap());
        }
        assert_eq!(outcome, ReadOutcome::End { truncated: true });
        assert_eq!(client.plain, b"cut");
    }

    #[test]
    fn what_came_with_the_goodbye_is_not_short() {
        let (mut client, mut server) = established(false);
        // Whatever followed the handshake is out of the way.
        while client.receive().unwrap() != ReadOutcome::WouldBlock {}
        server.stream.close_notify();
        server.write(b"").unwrap();
        let shorts = loop {
            let shorts = client.shorts;
            match client.receive().unwrap() {
                ReadOutcome::WouldBlock => std::thread::yield_now(),
                ReadOutcome::Data(0) => break client.shorts - shorts,
                outcome => assert_eq!(outcome, ReadOutcome::Data(0)),
            }
        };
        assert_eq!(shorts, 0, "the caller reads on");
        assert_eq!(client.receive().unwrap(), ReadOutcome::End { truncated: false });
    }

    #[test]
    fn the_alert_of_a_failure_reaches_the_peer() {
        let (mut client, mut server) = ends(false, "b.example");
        let mut failures = (None, None);
        while failures.0.is_none() || failures.1.is_none() {
            for (end, failure) in [(&mut client, &mut failures.0), (&mut server, &mut failures.1)] {
                if failure.is_none() {
                    let _ = end.write(b"").unwrap();
                    *failure = end.receive().err();
                }
            }
        }
        let (Some(StreamError::Tls(client)), Some(StreamError::Tls(server))) = failures else {
            panic!("{failures:?}");
        };
        assert!(client.to_string().contains("not valid for name \"b.example\""), "{client}");
        assert!(server.to_string().contains("peer rejected our certificate"), "{server}");
    }
}
