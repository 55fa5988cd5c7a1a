//! Senders that were refused for want of room hear of it when there is some.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use tightwire::{ClientOptions, SendError, Socket, Tuning};

use crate::support::{self, Log, Script, TEXT, World, pattern};

/// Less than what a connection is warned of, so that only a refusal tells.
fn narrow() -> Tuning {
    Tuning { max_send_buffer: 1000, high_water: 1 << 20, ..Tuning::default() }
}

#[test]
fn who_was_refused_on_the_loop_hears_of_room() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let options = ClientOptions::new(&server.url()).expect("a URL").tuning(narrow());
    let id = world.dial_with(options, Script::new(&log));
    log.opened();
    let payload = pattern(900);
    world.call(move |context| {
        context.send(id, &payload).expect("there is room");
        context.send(id, &payload).expect("one may overshoot");
        assert!(matches!(context.send(id, &payload), Err(SendError::Full { .. })));
    });
    log.wait_for("drain", 1);
}

#[test]
fn who_was_refused_elsewhere_hears_of_room() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let options = ClientOptions::new(&server.url()).expect("a URL").tuning(narrow());
    let id = world.dial_with(options, Script::new(&log));
    log.opened();
    let remote = world.handle().remote(id).expect("it is open");
    let payload = pattern(999);
    for round in 1..=20 {
        // While the loop has something else to do, nothing leaves.
        let (go, wait) = mpsc::channel::<()>();
        world.handle().post(Box::new(move |_| wait.recv().expect("a word")));
        support::until("a refusal", || remote.send(&payload).is_err());
        go.send(()).expect("the loop waits");
        log.wait_for("drain", round);
    }
}

#[test]
fn empty_messages_of_other_threads_have_a_limit_too() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let options = ClientOptions::new(&server.url()).expect("a URL").tuning(narrow());
    let id = world.dial_with(options, Script::new(&log));
    log.opened();
    let remote = world.handle().remote(id).expect("it is open");
    for round in 1..=5 {
        let (go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        world.handle().post(Box::new(move |_| {
            tell.send(()).expect("somebody listens");
            wait.recv().expect("a word");
        }));
        told.recv().expect("the loop has something else to do");
        let taken = (0..1000).take_while(|_| remote.send("").is_ok()).count();
        assert!((1..100).contains(&taken), "{taken} messages");
        assert_eq!(remote.buffered_amount(), 0, "payload only");
        go.send(()).expect("the loop waits");
        log.wait_for("drain", round);
    }
}

#[test]
fn who_sends_whenever_there_is_room_lets_others_have_their_turn() {
    const ALL: usize = 200;
    let world = World::new();
    let sent = Arc::new(AtomicUsize::new(0));
    let (counted, read) = (Arc::clone(&sent), Arc::clone(&sent));
    let ask = |ws: &mut Socket<'_>| {
        let id = ws.id();
        ws.context().want_drain(id);
    };
    let script = Script::default().on_message(move |ws, _| ask(ws)).on_drain(move |ws| {
        // The system takes it at once, so that the queue is drained again.
        if counted.fetch_add(1, Ordering::AcqRel) < ALL {
            ws.send("x").expect("there is room");
            ask(ws);
        }
    });
    let greedy = world.serve(script);
    let (tell, told) = mpsc::channel();
    let other = world.serve(Script::default().on_message(move |_, _| {
        tell.send(read.load(Ordering::Acquire)).expect("somebody listens");
    }));
    let (mut sender, mut peer) = (greedy.peer(), other.peer());
    greedy.log.wait_for("open", 1);
    other.log.wait_for("open", 1);
    // Both messages are there when the loop looks.
    let (go, wait) = mpsc::channel::<()>();
    world.handle().post(Box::new(move |_| wait.recv().expect("a word")));
    sender.send(TEXT, b"go");
    peer.send(TEXT, b"and me?");
    go.send(()).expect("the loop waits");
    let before = told.recv().expect("its turn came");
    assert!(before < ALL / 2, "{before} messages went first");
    for _ in 0..ALL {
        sender.expect(TEXT, b"x");
    }
    peer.close(1000, "");
    sender.close(1000, "");
}
