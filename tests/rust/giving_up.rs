//! Connections that are given up at every stage of their opening, and loops that end whatever their
//! peers do.

use std::net::TcpListener;
use std::time::Duration;

use tightwire::{ClientOptions, ErrorCode, EventLoop, Handler, Phase, Proxy, ReadyState};

use crate::support::{self, Log, Peer, Script, World, listen};

/// Brings a connection to a stage; what is held keeps it there.
struct Stage {
    name: &'static str,
    options: fn(u16) -> ClientOptions,
    reach: fn(&TcpListener) -> Option<Peer>,
}

fn to(url: &str) -> ClientOptions {
    ClientOptions::new(url).unwrap()
}

fn plain(port: u16) -> ClientOptions {
    to(&format!("ws://127.0.0.1:{port}/"))
}

fn after_a_head(listener: &TcpListener) -> Option<Peer> {
    let mut peer = Peer::accept(listener);
    peer.head();
    Some(peer)
}

fn after_some_bytes(listener: &TcpListener) -> Option<Peer> {
    let mut peer = Peer::accept(listener);
    peer.fill().unwrap();
    Some(peer)
}

const STAGES: [Stage; 6] = [
    Stage { name: "looking up", options: plain, reach: |_| None },
    Stage { name: "connected", options: plain, reach: |listener| Some(Peer::accept(listener)) },
    Stage { name: "asking", options: plain, reach: after_a_head },
    Stage {
        name: "asking a proxy",
        options: |port| {
            to("ws://h/").proxy(Proxy::new(&format!("http://127.0.0.1:{port}")).unwrap())
        },
        reach: after_a_head,
    },
    Stage {
        name: "securing",
        options: |port| to(&format!("wss://127.0.0.1:{port}/")),
        reach: after_some_bytes,
    },
    Stage {
        name: "redirected",
        options: |port| plain(port).max_redirects(1),
        reach: |listener| {
            let mut first = Peer::accept(listener);
            first.head();
            first.write(b"HTTP/1.1 302 x\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n");
            after_a_head(listener)
        },
    },
];

#[test]
fn a_connection_can_be_given_up_at_every_stage() {
    for stage in STAGES {
        for aborts in [false, true] {
            let (world, (listener, port)) = (World::new(), listen());
            let log = Log::default();
            let give_up = move |context: &mut tightwire::Context<'_>, id| match aborts {
                true => context.abort(id),
                false => context.close(id, Some(1000), "").unwrap(),
            };
            let (options, script) = ((stage.options)(port), Script::new(&log));
            let peer = if stage.name == "looking up" {
                world.call(move |context| {
                    let id = context.connect(&options, Box::new(script)).unwrap();
                    give_up(context, id);
                    assert_eq!(context.ready_state(id), ReadyState::Closing);
                });
                None
            } else {
                let id = world.dial_with(options, script);
                let peer = (stage.reach)(&listener);
                world.call(move |context| give_up(context, id));
                peer
            };
            let error = log.failed();
            let told = (error.phase(), error.code());
            assert_eq!(told, (Phase::App, ErrorCode::Shutdown), "{}: {error}", stage.name);
            assert_eq!(log.briefs(), ["close 1006"], "{}", stage.name);
            // Ended or reset, but not left open.
            if let Some(mut peer) = peer {
                let _ = peer.rest();
            }
        }
    }
}

struct Quiet;

impl Handler for Quiet {}

/// How long it takes to end a loop with peers that never answer a Close frame.
fn end_among_deaf_peers(grace: Duration) -> Duration {
    let (listener, port) = listen();
    let mut event_loop = EventLoop::new().unwrap();
    let mut peers = Vec::new();
    for _ in 0..10 {
        event_loop.connect(&plain(port), Quiet).unwrap();
        while event_loop.connections() > peers.len() {
            event_loop.turn(Some(Duration::from_millis(1))).unwrap();
            peers.push(Peer::accept(&listener));
        }
    }
    for peer in &mut peers {
        event_loop.turn(Some(Duration::from_millis(1))).unwrap();
        peer.answer("");
    }
    event_loop.turn(Some(Duration::from_millis(1))).unwrap();
    let begin = support::now();
    event_loop.shutdown(grace).unwrap();
    assert_eq!(event_loop.connections(), 0);
    begin.elapsed()
}

#[test]
fn a_loop_ends_within_its_grace_whatever_its_peers_do() {
    let grace = Duration::from_millis(300);
    // A loaded machine has three chances to be in time.
    let took: Vec<_> = (0..3).map(|_| end_among_deaf_peers(grace)).collect();
    let in_time = |took: &Duration| (grace..grace + Duration::from_millis(250)).contains(took);
    assert!(took.iter().any(in_time), "{took:?}");
}
