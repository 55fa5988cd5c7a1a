//! What callbacks may do, and what becomes of it if they panic.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use tightwire::{ClientOptions, ConnId, Context, ErrorCode, Phase, ReadyState, Tuning};

use crate::support::{
    self, BINARY, CLOSE, Log, PING, PONG, Peer, Script, TEXT, World, close_payload, options,
    request, until,
};

/// A peer of a fresh connection after it made the server run this callback.
const CALLBACKS: [&str; 7] = ["request", "open", "message", "ping", "pong", "drain", "close"];

type Act = Arc<Mutex<dyn FnMut(&mut Context<'_>, ConnId) + Send>>;

/// A server that calls `act` in one of its callbacks, on every connection whose path is `/act`.
fn acting(world: &World, callback: &'static str, act: Act) -> support::Server {
    let tuning = Tuning { high_water: 1_024, ..Tuning::default() };
    let run = move |name: &str, context: &mut Context<'_>, id: ConnId| {
        let mine = context.tag(id) == 1 || name == "request" || name == "close";
        if name == callback && mine {
            (act.lock().unwrap_or_else(std::sync::PoisonError::into_inner))(context, id);
        }
    };
    let [request, open, message, ping, pong, drain, close] = [0; 7].map(|_| run.clone());
    let acting = Arc::new(AtomicU64::new(0));
    let acted = Arc::clone(&acting);
    let script = Script::default()
        .on_request(move |context, asked, _| {
            acting.store(u64::from(asked.target() == "/act"), Ordering::SeqCst);
            if asked.target() == "/act" {
                request("request", context, ConnId::from_u64(0));
            }
        })
        .on_open(move |ws, _| {
            ws.set_tag(acted.load(Ordering::SeqCst));
            let id = ws.id();
            open("open", &mut ws.context(), id);
        })
        .on_message(move |ws, told| {
            let id = ws.id();
            if told.data() == b"drain" {
                return ws.send(&[0u8; 8_000]).unwrap();
            }
            message("message", &mut ws.context(), id);
        })
        .on_ping(move |ws, _| {
            let id = ws.id();
            ping("ping", &mut ws.context(), id);
        })
        .on_pong(move |ws, _| {
            let id = ws.id();
            pong("pong", &mut ws.context(), id);
        })
        .on_drain(move |ws| {
            let id = ws.id();
            drain("drain", &mut ws.context(), id);
        })
        .on_close(move |context, id, event| {
            if event.tag == 1 {
                close("close", context, id);
            }
        });
    world.serve_with(options().tuning(tuning), script)
}

/// Makes a connection, and on it the callback. What comes before the callback is read.
fn provoke(server: &support::Server, callback: &str) -> Peer {
    let mut peer = server.tcp();
    peer.write(request("/act", "localhost", "").as_bytes());
    if callback == "request" {
        return peer;
    }
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    match callback {
        "message" => peer.send(TEXT, b"go"),
        "ping" => {
            peer.send(PING, b"go");
            peer.expect(PONG, b"go");
        }
        "pong" => peer.send(PONG, b"go"),
        "drain" => {
            peer.send(TEXT, b"drain");
            peer.expect(BINARY, &[0; 8_000]);
        }
        "close" => peer.close(1000, ""),
        _ => {}
    }
    peer
}

#[test]
fn a_panic_in_any_callback_fails_its_connection_only() {
    let world = World::new();
    for callback in CALLBACKS {
        let act = Arc::new(Mutex::new(|_: &mut Context<'_>, _: ConnId| panic!("on purpose")));
        let server = acting(&world, callback, act);
        let mut witness = server.peer();
        let mut peer = provoke(&server, callback);
        match callback {
            "request" => {
                let answer = String::from_utf8(peer.rest().unwrap()).unwrap();
                assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
                assert!(!answer.contains("on purpose"), "inner details: {answer}");
            }
            "close" => peer.expect_end(),
            _ => {
                peer.expect(CLOSE, &1011u16.to_be_bytes());
                peer.expect_end();
                drop(peer);
                let error = server.log.failed();
                let seen = (error.phase(), error.code());
                assert_eq!(seen, (Phase::App, ErrorCode::Internal), "{callback}: {error}");
            }
        }
        witness.send(PING, b"still?");
        witness.expect(PONG, b"still?");
        server.still_answers();
    }
}

#[test]
fn a_panic_in_a_clients_callback_or_a_posted_job_leaves_the_loop_alone() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let script = Script::new(&log)
        .on_open(|ws, _| ws.send("boo").unwrap())
        .on_message(|_, _| panic!("on purpose"));
    world.dial(&server.url(), script);
    assert_eq!(log.failed().code(), ErrorCode::Internal);
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (1011, true));
    assert!(world.handle().post(Box::new(|_| panic!("on purpose"))));
    server.still_answers();
}

#[test]
fn every_callback_may_send_to_close_and_abort_its_own_connection() {
    let world = World::new();
    for callback in CALLBACKS {
        for action in ["send", "close", "abort"] {
            let outcome = Arc::new(Mutex::new(None));
            let told = Arc::clone(&outcome);
            let act = move |context: &mut Context<'_>, id: ConnId| {
                let result = match action {
                    "send" => context.send(id, "mine").map_err(|error| error.to_string()),
                    "close" => {
                        context.close(id, Some(4001), "mine").map_err(|error| error.to_string())
                    }
                    _ => {
                        context.abort(id);
                        Ok(())
                    }
                };
                *told.lock().unwrap() = Some(result);
            };
            let server = acting(&world, callback, Arc::new(Mutex::new(act)));
            let mut peer = provoke(&server, callback);
            let what = format!("{action} in on_{callback}");
            match (callback, action) {
                // There is no connection yet.
                ("request", _) => {
                    assert!(peer.head().starts_with("HTTP/1.1 101 "), "{what}");
                    peer.close(1000, "");
                    server.log.closed();
                }
                // There is no connection any more.
                ("close", _) => {
                    peer.expect_end();
                    server.log.closed();
                }
                (_, "send") => {
                    peer.expect(TEXT, b"mine");
                    peer.close(1000, "");
                    assert!(server.log.closed().clean, "{what}");
                }
                (_, "close") => {
                    peer.expect(CLOSE, &close_payload(4001, "mine"));
                    peer.send(CLOSE, &close_payload(4001, "mine"));
                    peer.expect_end();
                    drop(peer);
                    assert!(server.log.closed().clean, "{what}");
                }
                _ => {
                    assert_eq!(peer.try_frame(), None, "{what}");
                    assert_eq!(server.log.failed().phase(), Phase::App, "{what}");
                }
            }
            until("the callback", || outcome.lock().unwrap().is_some());
            let outcome = outcome.lock().unwrap().take().unwrap();
            let fails = action == "send" && matches!(callback, "request" | "close");
            assert_eq!(outcome.is_err(), fails, "{what}: {outcome:?}");
            server.still_answers();
        }
    }
}

#[test]
fn every_callback_may_send_to_close_and_abort_another_connection() {
    let world = World::new();
    for callback in CALLBACKS {
        for action in ["send", "close", "abort"] {
            let other = Arc::new(AtomicU64::new(0));
            let target = Arc::clone(&other);
            let act = move |context: &mut Context<'_>, _: ConnId| {
                let id = ConnId::from_u64(target.load(Ordering::SeqCst));
                match action {
                    "send" => context.send(id, "yours").unwrap(),
                    "close" => context.close(id, Some(4002), "yours").unwrap(),
                    _ => context.abort(id),
                }
            };
            let server = acting(&world, callback, Arc::new(Mutex::new(act)));
            let mut bystander = server.peer();
            other.store(server.log.opened().to_u64(), Ordering::SeqCst);
            let mut peer = provoke(&server, callback);
            let what = format!("{action} in on_{callback}");
            match action {
                "send" => {
                    bystander.expect(TEXT, b"yours");
                    bystander.close(1000, "");
                }
                "close" => {
                    bystander.expect(CLOSE, &close_payload(4002, "yours"));
                    bystander.send(CLOSE, &close_payload(4002, "yours"));
                }
                _ => assert_eq!(bystander.try_frame(), None, "{what}"),
            }
            // The connection whose callback it was goes on.
            match callback {
                "request" => {
                    assert!(peer.head().starts_with("HTTP/1.1 101 "), "{what}");
                    peer.close(1000, "");
                }
                "close" => {}
                _ => peer.close(1000, ""),
            }
            peer.expect_end();
            drop((peer, bystander));
            let clean = server.log.closes(2).iter().filter(|close| close.clean).count();
            assert_eq!(clean, if action == "abort" { 1 } else { 2 }, "{what}");
            server.still_answers();
        }
    }
}

#[test]
fn every_callback_may_connect() {
    let world = World::new();
    let echo = world.echo();
    for callback in CALLBACKS {
        let (tx, rx) = mpsc::channel();
        let url = echo.url();
        let act = move |context: &mut Context<'_>, _: ConnId| {
            let log = Log::default();
            let script = Script::new(&log).on_open(|ws, _| ws.close(Some(1000), "").unwrap());
            let options = ClientOptions::new(&url).unwrap();
            let id = context.connect(&options, Box::new(script)).unwrap();
            assert_eq!(context.ready_state(id), ReadyState::Connecting);
            assert!(log.events().is_empty(), "a callback inside connect");
            tx.send(log).unwrap();
        };
        let server = acting(&world, callback, Arc::new(Mutex::new(act)));
        let peer = provoke(&server, callback);
        let log: Log = rx.recv_timeout(support::PATIENCE).unwrap();
        assert!(log.closed().clean);
        assert_eq!(log.briefs(), ["open", "close 1000"], "connect in on_{callback}");
        drop(peer);
    }
}

#[test]
fn a_client_may_connect_anew_in_on_close_again_and_again() {
    let world = World::new();
    let server = world.serve(Script::default().on_open(|ws, _| ws.close(None, "").unwrap()));
    let log = Log::default();
    fn again(url: String, log: Log, left: u32) -> Script {
        let script = Script::new(&log);
        script.on_close(move |context, id, _| {
            assert_eq!(context.ready_state(id), ReadyState::Closed);
            assert!(context.remote(id).is_some_and(|remote| remote.url().starts_with("ws://")));
            if left > 0 {
                let options = ClientOptions::new(&url).unwrap();
                let next = again(url.clone(), log.clone(), left - 1);
                context.connect(&options, Box::new(next)).unwrap();
            }
        })
    }
    world.dial(&server.url(), again(server.url(), log.clone(), 20));
    assert_eq!(log.closes(21).len(), 21);
    assert!(log.closes(21).iter().all(|close| close.clean && close.code == 1005));
}
