//! Connections that are not read for a while, timers, and messages to everybody.

use std::sync::mpsc;
use std::time::Duration;

use tightwire::{ClientOptions, ConnId, Context, MessageKind, Tuning};

use crate::support::{
    self, CLOSE, CONTINUATION, Log, PING, PONG, Peer, Script, TEXT, World, close_payload, listen,
    options,
};

fn texts(log: &Log) -> usize {
    log.texts().len()
}

#[test]
fn nothing_comes_while_a_connection_is_paused_and_all_of_it_after() {
    let world = World::new();
    let script = Script::default().on_message(|ws, _| ws.pause());
    let server = world.serve(script);
    let log = server.log.clone();
    let mut peer = server.peer();
    let id = log.opened();
    // Two in one segment, one cut in the middle, and a ping behind.
    let mut bytes = support::frame(true, TEXT, true, b"one");
    bytes.extend(support::frame(true, TEXT, true, b"two"));
    bytes.extend(support::frame(true, TEXT, true, &[b'x'; 300_000]));
    bytes.extend(support::frame(true, PING, true, b"?"));
    peer.write(&bytes);
    for count in 1..=3 {
        log.wait("the next message", |events| {
            let texts = events.iter().filter(|(_, event)| event.brief().starts_with("text"));
            (texts.count() >= count).then_some(())
        });
        assert!(peer.is_silent_for(Duration::from_millis(30)));
        assert_eq!(texts(&log), count, "a message of a paused connection");
        world.call(move |context| context.resume(id));
    }
    peer.expect(PONG, b"?");
    peer.close(1000, "");
    assert!(log.closed().clean);
}

#[test]
fn the_silence_of_a_paused_connection_is_not_judged() {
    let world = World::new();
    let short = Some(Duration::from_millis(20));
    let tuning = Tuning { ping_interval: short, ping_timeout: short, ..Tuning::default() };
    let script = Script::default().on_open(|ws, _| ws.pause());
    let server = world.serve_with(options().tuning(tuning), script);
    let mut peer = server.peer();
    let id = server.log.opened();
    assert!(peer.is_silent_for(Duration::from_millis(120)), "not even a ping");
    world.call(move |context| context.resume(id));
    peer.expect(PING, b"");
    peer.send(PONG, b"");
    peer.close(1000, "");
    assert!(server.log.closed().clean);
}

#[test]
fn a_paused_connection_can_be_closed_aborted_and_left_to_the_end_of_the_loop() {
    let end = |act: fn(&mut Context<'_>, ConnId)| {
        let (world, (listener, port)) = (World::new(), listen());
        let log = Log::default();
        let script = Script::new(&log).on_open(|ws, _| ws.pause());
        let url = format!("ws://127.0.0.1:{port}/");
        let id = world.dial_with(ClientOptions::new(&url).unwrap(), script);
        let mut peer = Peer::accept_upgraded(&listener);
        log.opened();
        world.call(move |context| act(context, id));
        if let Some(frame) = peer.try_frame() {
            assert_eq!(frame.opcode, CLOSE);
            peer.close_after_peer();
        }
        log.closed().code
    };
    assert_eq!(end(|context, id| context.close(id, Some(4000), "").unwrap()), 4000);
    assert_eq!(end(|context, id| context.abort(id)), 1006);
    let world = World::new();
    let server = world.serve(Script::default().on_open(|ws, _| ws.pause()));
    let mut peer = server.peer();
    server.log.opened();
    drop(world);
    peer.expect(CLOSE, &close_payload(1001, ""));
}

#[test]
fn any_thread_may_pause_and_resume() {
    let world = World::new();
    let server = world.serve(Script::default());
    let mut peer = server.peer();
    let remote = world.handle().remote(server.log.opened()).unwrap();
    remote.pause();
    // The loop has heard of it when it answers.
    world.call(|_| ());
    peer.send(TEXT, b"later");
    assert!(peer.is_silent_for(Duration::from_millis(30)));
    assert_eq!(texts(&server.log), 0);
    remote.resume();
    server.log.wait_for("text later", 1);
    peer.close(1000, "");
}

#[test]
fn a_broadcast_reaches_the_open_connections_of_one_server() {
    let world = World::new();
    let (one, other) = (world.serve(Script::default()), world.serve(Script::default()));
    let mut peers: Vec<_> = (0..3).map(|_| one.peer()).collect();
    let mut stranger = other.peer();
    one.log.wait_for("open", 3);
    let id = one.id;
    let count = world.call(move |context| context.broadcast(id, "hello"));
    assert_eq!(count, 3);
    for peer in &mut peers {
        peer.expect(TEXT, b"hello");
    }
    assert!(stranger.is_silent_for(Duration::from_millis(30)));
    // From a callback, the connection at hand included.
    let world = World::new();
    let (tell, told) = mpsc::channel();
    let script = Script::default().on_message(move |ws, _| {
        let server = told.recv().unwrap();
        assert_eq!(ws.context().broadcast(server, "all"), 2);
    });
    let server = world.serve(script);
    let mut pair = [server.peer(), server.peer()];
    server.log.wait_for("open", 2);
    tell.send(server.id).unwrap();
    pair[0].send(TEXT, b"go");
    for peer in &mut pair {
        peer.expect(TEXT, b"all");
    }
}

#[test]
fn a_broadcast_during_a_message_in_parts_goes_behind_it() {
    let world = World::new();
    let server = world.serve(Script::default().on_message(|ws, message| {
        let part = message.data();
        let kind = (part == b"first").then_some(MessageKind::Text);
        ws.send_part(kind, part, part == b"last").expect("there is room");
    }));
    let mut peer = server.peer();
    peer.send(TEXT, b"first");
    let part = peer.frame();
    assert_eq!((part.opcode, part.fin), (TEXT, false));
    let (id, conn) = (server.id, server.log.opened());
    let told = world.call(move |context| {
        (context.broadcast(id, "one"), context.broadcast(id, "two"), context.buffered_amount(conn))
    });
    assert_eq!(told, (1, 1, 6), "they wait");
    peer.send(TEXT, b"last");
    peer.expect(CONTINUATION, b"last");
    peer.expect(TEXT, b"one");
    peer.expect(TEXT, b"two");
    peer.close(1000, "");
}

#[test]
fn a_broadcast_that_waits_counts_as_queued() {
    let world = World::new();
    let tuning = Tuning { max_send_buffer: 4, ..Tuning::default() };
    let script = Script::default().on_message(|ws, _| {
        ws.send_part(Some(MessageKind::Text), b"", false).expect("there is room");
    });
    let server = world.serve_with(options().tuning(tuning), script);
    let mut peer = server.peer();
    peer.send(TEXT, b"go");
    assert!(!peer.frame().fin);
    let id = server.id;
    let counts = world.call(move |context| [(); 2].map(|()| context.broadcast(id, "four")));
    assert_eq!(counts, [1, 0], "the queue is full");
    peer.reset();
}

#[test]
fn timers_come_in_their_order_repeat_and_stop() {
    let world = World::new();
    let (tell, told) = mpsc::channel();
    let say = |what: &'static str| {
        let tell = tell.clone();
        move |_: &mut Context<'_>| tell.send(what).unwrap()
    };
    let (second, first, never) = (say("second"), say("first"), say("never"));
    let ms = Duration::from_millis;
    let begin = support::now();
    let never = world.call(move |context| {
        context.set_timer(ms(40), None, Box::new(second)).unwrap();
        context.set_timer(ms(20), None, Box::new(first)).unwrap();
        context.set_timer(ms(3_600_000), None, Box::new(never)).unwrap()
    });
    assert_eq!([told.recv().unwrap(), told.recv().unwrap()], ["first", "second"]);
    assert!(begin.elapsed() >= ms(40));
    assert!(world.call(move |context| context.cancel_timer(never)));
    assert!(!world.call(move |context| context.cancel_timer(never)));
    // One that panics goes on, and one may stop itself.
    let mut count = 0;
    let tick = say("tick");
    world.call(move |context| {
        let mut own = None;
        let (own_id, id_of_own) = mpsc::channel();
        let job = move |context: &mut Context<'_>| {
            let id = *own.get_or_insert_with(|| id_of_own.recv().unwrap());
            tick(context);
            count += 1;
            assert_ne!(count, 2, "this is what a panic looks like");
            if count == 3 {
                assert!(context.cancel_timer(id));
            }
        };
        own_id.send(context.set_timer(ms(1), Some(ms(1)), Box::new(job)).unwrap()).unwrap();
    });
    assert_eq!(told.iter().take(3).collect::<Vec<_>>(), ["tick"; 3]);
    assert_eq!(told.recv_timeout(ms(30)), Err(mpsc::RecvTimeoutError::Timeout));
}
