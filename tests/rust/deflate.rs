//! Compression over real sockets: who agrees to it, what it comes to, and what shares a loop.

use tightwire::{
    ClientOptions, Deflate, DeflateMode, DeflateStats, ErrorCode, Message, MessageKind, Phase,
    Tuning,
};

use crate::support::{Event, Log, Script, World, options, pattern};

const MODES: [DeflateMode; 3] = [DeflateMode::Shared, DeflateMode::Dedicated, DeflateMode::Parked];

fn tuned(mode: DeflateMode) -> Tuning {
    Tuning { deflate: Deflate { mode, ..Deflate::default() }, ..Tuning::default() }
}

fn prose(len: usize) -> String {
    (0..len)
        .map(|at| char::from(b"the quick brown fox jumps over it. "[(at * at / 7) % 35]))
        .collect()
}

/// A message and its kind.
type Got = (MessageKind, Vec<u8>);

fn text(text: &str) -> Got {
    (MessageKind::Text, text.into())
}

/// Waits until this many messages came.
fn wait_for(log: &Log, count: usize) -> Vec<Got> {
    let message = |event: &Event| match event {
        Event::Text(data) => Some(text(data)),
        Event::Binary(data) => Some((MessageKind::Binary, data.clone())),
        _ => None,
    };
    log.wait("messages", |events| {
        let got: Vec<_> = events.iter().filter_map(|(_, event)| message(event)).collect();
        (got.len() == count).then_some(got)
    })
}

#[test]
fn a_conversation_in_every_mode_is_the_same_and_counted_alike_at_both_ends() {
    for ours in MODES {
        for theirs in MODES {
            let world = World::new();
            let server =
                world.serve_with(options().tuning(tuned(theirs)), Script::echo(&Log::default()));
            let log = Log::default();
            let client = ClientOptions::new(&server.url()).unwrap().tuning(tuned(ours));
            let id = world.dial_with(client, Script::new(&log));
            log.opened();
            let remote = world.handle().remote(id).unwrap();
            let peer = world.handle().remote(server.log.opened()).unwrap();
            assert!(remote.extensions().starts_with("permessage-deflate"), "{ours:?} {theirs:?}");
            assert_eq!(remote.extensions(), peer.extensions());
            let sizes = [0, 1, 127, 128, 5000, 70_000, 128, 5000];
            for size in sizes {
                remote.send(&prose(size)).unwrap();
                remote.send(&pattern(size)).unwrap();
            }
            let got = wait_for(&log, sizes.len() * 2);
            for (pair, size) in got.chunks(2).zip(sizes) {
                assert!(pair[0] == text(&prose(size)), "{ours:?} {theirs:?} {size}");
                assert!(
                    pair[1] == (MessageKind::Binary, pattern(size)),
                    "{ours:?} {theirs:?} {size}"
                );
            }
            let (sent, received) = (remote.deflate_stats(), peer.deflate_stats());
            assert!(sent.sent_compressed < sent.sent, "{ours:?} {theirs:?} {sent:?}");
            assert_eq!(
                (sent.sent, sent.sent_compressed),
                (received.received, received.received_compressed)
            );
            assert_eq!(
                (sent.received, sent.received_compressed),
                (received.sent, received.sent_compressed)
            );
            remote.close(Some(1000), "").unwrap();
            log.closed();
            assert_eq!(remote.deflate_stats(), sent, "after the end, too");
        }
    }
}

#[test]
fn clients_offer_and_servers_do_not_accept_unless_told_otherwise() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let remote = world.client(&server, Script::new(&log));
    assert_eq!(remote.extensions(), "");
    remote.send(Message::text(&prose(1000)).compress(true)).unwrap();
    wait_for(&log, 1);
    assert_eq!(remote.deflate_stats(), DeflateStats::default());
    let mut peer = server.tcp();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    peer.write(request.as_bytes());
    assert!(!peer.head().to_lowercase().contains("sec-websocket-extensions"));
}

#[test]
fn connections_of_a_loop_do_not_disturb_each_other() {
    const CLIENTS: usize = 30;
    for mode in MODES {
        let world = World::new();
        let server = world.serve_with(options().tuning(tuned(mode)), Script::echo(&Log::default()));
        let logs: Vec<_> = (0..CLIENTS).map(|_| Log::default()).collect();
        let remotes: Vec<_> = logs
            .iter()
            .map(|log| {
                let options = ClientOptions::new(&server.url()).unwrap().tuning(tuned(mode));
                let id = world.dial_with(options, Script::new(log));
                log.opened();
                world.handle().remote(id).unwrap()
            })
            .collect();
        for round in 0..20 {
            for (number, remote) in remotes.iter().enumerate() {
                remote.send(&prose(500 + number * 100 + round)).unwrap();
            }
        }
        for (number, log) in logs.iter().enumerate() {
            for (round, event) in wait_for(log, 20).into_iter().enumerate() {
                assert!(
                    event == text(&prose(500 + number * 100 + round)),
                    "{mode:?} {number} {round}"
                );
            }
        }
    }
}

#[test]
fn parts_are_compressed_and_messages_of_others_wait_behind_them() {
    for mode in MODES {
        let world = World::new();
        let server = world.serve_with(options().tuning(tuned(mode)), Script::echo(&Log::default()));
        let log = Log::default();
        let client = ClientOptions::new(&server.url()).unwrap().tuning(tuned(mode));
        let id = world.dial_with(client, Script::new(&log));
        log.opened();
        let remote = world.handle().remote(id).unwrap();
        world.call(move |context| {
            context.send_part(id, Some(MessageKind::Text), prose(300).as_bytes(), false).unwrap();
        });
        remote.send("behind").unwrap();
        world.call(move |context| {
            context.send_part(id, None, prose(300).as_bytes(), true).unwrap();
        });
        let got = wait_for(&log, 2);
        assert!(got[0] == text(&prose(300).repeat(2)), "{mode:?}");
        assert!(got[1] == text("behind"), "{mode:?}");
        assert_eq!(remote.deflate_stats().sent, 600, "{mode:?}");
    }
}

#[test]
fn a_bomb_fails_with_the_option_in_its_text() {
    for mode in MODES {
        let world = World::new();
        let tuning = Tuning { max_message: 1000, ..tuned(mode) };
        let server = world.serve_with(options().tuning(tuning), Script::echo(&Log::default()));
        let log = Log::default();
        let id = world.dial(&server.url(), Script::new(&log));
        log.opened();
        world.handle().remote(id).unwrap().send(&vec![0; 1 << 20]).unwrap();
        assert_eq!(log.closed().code, 1009, "{mode:?}");
        let error = server.log.closed().error.unwrap();
        assert_eq!((error.phase(), error.code()), (Phase::Protocol, ErrorCode::TooBig));
        assert!(error.to_string().contains("max_message"), "{error}");
        assert_eq!((error.size(), error.limit()), (None, Some(1000)));
    }
}

#[test]
fn options_that_cannot_be_are_refused_by_name() {
    let world = World::new();
    for (deflate, cause) in [
        (Deflate { level: Some(0), ..Deflate::default() }, "level is 0, not from 1 to 9"),
        (Deflate { memory_level: 10, ..Deflate::default() }, "memory_level is 10, not from 1 to 9"),
        (Deflate { window_bits: 8, ..Deflate::default() }, "window_bits is 8, not from 9 to 15"),
        (Deflate { peer_window_bits: Some(16), ..Deflate::default() }, "peer_window_bits is 16"),
    ] {
        let tuning = Tuning { deflate, ..Tuning::default() };
        let errors = world.call(move |context| {
            let client = ClientOptions::new("ws://127.0.0.1:1/").unwrap().tuning(tuning.clone());
            let server = options().tuning(tuning);
            [
                context.connect(&client, Box::new(Script::default())).unwrap_err(),
                context.listen(&server, Box::new(Script::default())).unwrap_err(),
            ]
        });
        for error in errors {
            assert_eq!(
                (error.phase(), error.code()),
                (Phase::Argument, ErrorCode::InvalidArgument)
            );
            assert!(error.to_string().contains(cause), "{error}");
        }
    }
}

#[test]
fn zip_10_a_small_stack_is_enough() {
    use tightwire::proto::deflate::{Agreed, Direction};
    use tightwire::proto::frame::Role;
    use tightwire::proto::receiver::{Event as Received, Receiver};
    // A stored block of "Hello"; a reserved kind of block; a dynamic block that breaks off.
    let payloads: [&[u8]; 3] = [
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0x06, 0x00],
        &[0x04, 0xc0, 0x81, 0x08, 0x00, 0x00],
    ];
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
        payloads.map(|payload| {
            let tuning = tuned(DeflateMode::Dedicated);
            let direction = Direction { takeover: true, window_bits: 15 };
            let mut receiver = Receiver::new(Role::Client, &tuning);
            let agreed = Agreed { own: direction, peer: direction };
            receiver.enable_deflate(&agreed, &tuning, Default::default());
            let len = u8::try_from(payload.len()).unwrap();
            let mut frame = [&[0xc2, len], payload].concat();
            let received = receiver.next(&mut frame);
            matches!(received, Ok((_, Some(Received::Message { data: b"Hello", .. }))))
        })
    });
    assert_eq!(thread.unwrap().join().unwrap(), [true, false, false]);
}
