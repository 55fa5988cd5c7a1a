//! Other threads: sends and closes through `Remote`, jobs, stopping, and use after the end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use tightwire::{EventLoop, MessageKind, ReadyState, Remote, SendError};

use crate::support::{
    self, CLOSE, CONTINUATION, Log, PATIENCE, PING, Peer, Script, TEXT, World, close_payload, until,
};

const THREADS: usize = 8;

fn server_side(world: &World, server: &support::Server) -> Remote {
    world.handle().remote(server.log.opened()).unwrap()
}

#[test]
fn sends_of_many_threads_all_arrive_each_threads_in_order() {
    const EACH: usize = 2_000;
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let remote = server_side(&world, &server);
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (remote, start) = (remote.clone(), &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..EACH {
                    remote.send(&format!("{thread} {number}")).unwrap();
                }
            });
        }
        let mut next = HashMap::new();
        for _ in 0..THREADS * EACH {
            let text = String::from_utf8(peer.frame().payload).unwrap();
            let (thread, number) = text.split_once(' ').unwrap();
            let next = next.entry(thread.to_owned()).or_insert(0);
            assert_eq!(number.parse(), Ok(*next), "thread {thread}");
            *next += 1;
        }
    });
    // The loop tells of it between callbacks, which may be after the peer has read.
    until("an empty queue", || remote.buffered_amount() == 0);
    peer.close(1000, "");
}

#[test]
fn a_send_that_returned_before_another_began_goes_first() {
    const EACH: usize = 500;
    let world = World::new();
    // Whoever has the lock has seen all earlier sends return.
    let turn = Arc::new(Mutex::new(0u32));
    let take_turn = |turn: &Mutex<u32>, send: &mut dyn FnMut(&str)| {
        let mut next = turn.lock().unwrap();
        send(&next.to_string());
        *next += 1;
    };
    let ours = Arc::clone(&turn);
    // The thread of the loop is one of those that send, from callbacks and from jobs.
    let server = world.serve(Script::default().on_message(move |ws, _| {
        take_turn(&ours, &mut |text| ws.send(text).unwrap());
    }));
    let mut peer = server.peer();
    let remote = server_side(&world, &server);
    let mut writer = Peer::on(peer.stream.try_clone().unwrap(), true);
    let handle = world.handle();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (remote, turn) = (&remote, &turn);
            scope.spawn(move || {
                for _ in 0..EACH {
                    take_turn(turn, &mut |text| remote.send(text).unwrap());
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..EACH {
                writer.send(TEXT, b"your turn");
            }
        });
        scope.spawn(|| {
            for _ in 0..EACH {
                let (turn, id) = (Arc::clone(&turn), remote.id());
                handle.post(Box::new(move |context| {
                    take_turn(&turn, &mut |text| context.send(id, text).unwrap());
                }));
            }
        });
        for number in 0..(THREADS + 2) * EACH {
            peer.expect(TEXT, number.to_string().as_bytes());
        }
    });
    peer.close(1000, "");
}

#[test]
fn sends_against_a_close_are_taken_whole_or_refused() {
    for round in 0..50 {
        let world = World::new();
        let server = world.echo();
        let mut peer = server.peer();
        let remote = server_side(&world, &server);
        let start = Barrier::new(THREADS + 1);
        let taken: Vec<usize> = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (remote, start) = (remote.clone(), &start);
                    scope.spawn(move || {
                        start.wait();
                        let sends = (0..300).map_while(|number| {
                            match remote.send(&format!("{thread} {number}")) {
                                Ok(()) => Some(()),
                                Err(SendError::Closed) => None,
                                Err(error) => panic!("{error}"),
                            }
                        });
                        sends.count()
                    })
                })
                .collect();
            start.wait();
            for _ in 0..round {
                std::thread::yield_now();
            }
            remote.close(Some(4000), "enough").unwrap();
            assert_eq!(remote.ready_state(), ReadyState::Closing);
            assert_eq!(remote.send("late"), Err(SendError::Closed));
            senders.into_iter().map(|sender| sender.join().unwrap()).collect()
        });
        let mut received = [0; THREADS];
        loop {
            let frame = peer.frame();
            if frame.opcode == CLOSE {
                assert_eq!(frame.payload, close_payload(4000, "enough"));
                break;
            }
            let text = String::from_utf8(frame.payload).unwrap();
            let (thread, number) = text.split_once(' ').unwrap();
            let thread: usize = thread.parse().unwrap();
            assert_eq!(number.parse(), Ok(received[thread]), "a gap");
            received[thread] += 1;
        }
        peer.send(CLOSE, &close_payload(4000, "enough"));
        peer.expect_end();
        for (taken, received) in taken.iter().zip(received) {
            // The last one of a thread may have raced with the close.
            assert!((received..=received + 1).contains(taken), "{taken} taken, {received} sent");
        }
    }
}

#[test]
fn closes_and_aborts_of_many_threads_make_one_close() {
    for abort in [false, true] {
        let world = World::new();
        let server = world.echo();
        let log = Log::default();
        let remote = world.client(&server, Script::new(&log));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let remote = remote.clone();
                scope.spawn(move || {
                    if abort && thread % 2 == 0 {
                        remote.abort();
                    } else {
                        remote.close(Some(1000), "").unwrap();
                    }
                });
            }
        });
        log.closed();
        server.log.closed();
    }
}

#[test]
fn sends_during_a_message_in_parts_go_behind_it() {
    let world = World::new();
    let server = world.serve(Script::default().on_message(|ws, message| {
        let part = message.data();
        let kind = (part == b"first").then_some(MessageKind::Text);
        ws.send_part(kind, part, part == b"last").unwrap();
    }));
    let mut peer = server.peer();
    let remote = server_side(&world, &server);
    peer.send(TEXT, b"first");
    let part = peer.frame();
    assert_eq!((part.opcode, part.fin), (TEXT, false));
    remote.send("one").unwrap();
    remote.send("two").unwrap();
    remote.ping(b"overtakes").unwrap();
    peer.expect(PING, b"overtakes");
    assert_eq!(remote.buffered_amount(), 6, "they wait");
    peer.send(TEXT, b"last");
    peer.expect(CONTINUATION, b"last");
    peer.expect(TEXT, b"one");
    peer.expect(TEXT, b"two");
    remote.send("three").unwrap();
    peer.expect(TEXT, b"three");
    until("an empty queue", || remote.buffered_amount() == 0);
    peer.close(1000, "");
}

#[test]
fn a_stop_is_good_for_one_run() {
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.handle().stop();
    // There was nothing to do anyway.
    event_loop.run_until_idle().unwrap();
    assert!(!event_loop.take_stop(), "it was heeded");
}

#[test]
fn jobs_run_in_order_on_the_loops_thread() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let id = server.log.opened();
    let thread = world.call(|_| std::thread::current().id());
    let (tx, rx) = mpsc::channel();
    for number in 0..100 {
        let tx = tx.clone();
        assert!(world.handle().post(Box::new(move |context| {
            context.send(id, &number.to_string()).unwrap();
            tx.send((number, std::thread::current().id())).unwrap();
        })));
    }
    for number in 0..100 {
        assert_eq!(rx.recv_timeout(PATIENCE), Ok((number, thread)));
        peer.expect(TEXT, number.to_string().as_bytes());
    }
    peer.close(1000, "");
}

#[test]
fn a_job_may_post_a_job_and_callbacks_may_use_remotes() {
    let world = World::new();
    let server = world.serve(Script::default().on_message(|ws, _| {
        let (remote, id) = (ws.remote(), ws.id());
        ws.send("1").unwrap();
        remote.send("2").unwrap();
        ws.send("3").unwrap();
        let handle = ws.context().handle();
        let again = handle.clone();
        handle.post(Box::new(move |context| {
            context.send(id, "5").unwrap();
            again.post(Box::new(move |context| context.send(id, "6").unwrap()));
        }));
        remote.send("4").unwrap();
    }));
    let mut peer = server.peer();
    peer.send(TEXT, b"go");
    for number in 1..=6 {
        peer.expect(TEXT, number.to_string().as_bytes());
    }
    peer.close(1000, "");
}

#[test]
fn a_stop_before_the_run_ends_it_at_once_and_only_once() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    handle.stop();
    handle.stop();
    event_loop.run().unwrap();
    assert!(!event_loop.take_stop());
    let stopper = std::thread::spawn(move || handle.stop());
    event_loop.run().unwrap();
    stopper.join().unwrap();
}

#[test]
fn a_stop_inside_a_callback_ends_the_run_after_the_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let script = Script::new(&log).on_open(|ws, _| {
        ws.send("on its way").unwrap();
        ws.context().stop();
    });
    let server = event_loop.listen(&support::options(), script).unwrap();
    let port = event_loop.context().server_port(server).unwrap();
    let client = std::thread::spawn(move || {
        let mut peer = Peer::connect(port);
        peer.upgrade();
        peer.expect(TEXT, b"on its way");
        peer
    });
    event_loop.run().unwrap();
    let mut peer = client.join().unwrap();
    drop(event_loop);
    assert_eq!(peer.try_frame(), None, "the loop's end ends its connections");
}

#[test]
fn handles_outlive_their_loop() {
    let world = World::new();
    let server = world.echo();
    let log = Log::default();
    let remote = world.client(&server, Script::new(&log));
    let handle = world.handle();
    let thread = std::thread::spawn({
        let remote = remote.clone();
        // Until the loop is gone, whenever that is.
        move || while remote.send("x") != Err(SendError::Closed) {}
    });
    drop(world);
    thread.join().unwrap();
    assert_eq!(remote.ready_state(), ReadyState::Closed);
    assert_eq!(remote.send("x"), Err(SendError::Closed));
    assert_eq!(remote.ping(b""), Err(SendError::Closed));
    assert_eq!(remote.close(Some(1000), ""), Ok(()));
    remote.abort();
    assert_eq!(remote.url(), server.url());
    assert!(handle.remote(remote.id()).is_none());
    handle.stop();
    let dropped = Arc::new(AtomicBool::new(false));
    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let guard = Guard(Arc::clone(&dropped));
    assert!(!handle.post(Box::new(move |_| drop(guard))));
    assert!(dropped.load(Ordering::SeqCst), "a job that is not taken is dropped");
}

#[test]
fn a_loop_that_is_dropped_without_a_word_closes_its_remotes() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let server = event_loop.listen(&support::options(), Script::new(&log)).unwrap();
    let port = event_loop.context().server_port(server).unwrap();
    let client = std::thread::spawn(move || {
        let mut peer = Peer::connect(port);
        peer.upgrade();
        peer
    });
    until("open", || {
        event_loop.turn(Some(std::time::Duration::from_millis(1))).unwrap();
        !log.briefs().is_empty() && log.briefs().len() == 2
    });
    let remote = event_loop.handle().remote(log.opened()).unwrap();
    let mut peer = client.join().unwrap();
    remote.send("never taken up").unwrap();
    drop(event_loop);
    assert_eq!(remote.ready_state(), ReadyState::Closed);
    assert_eq!(remote.send("x"), Err(SendError::Closed));
    assert_eq!(peer.try_frame(), None);
}

#[test]
fn a_loop_may_move_to_another_thread_between_two_turns() {
    let mut event_loop = EventLoop::new().unwrap();
    let log = Log::default();
    let server = event_loop.listen(&support::options(), Script::echo(&log)).unwrap();
    let port = event_loop.context().server_port(server).unwrap();
    let client = std::thread::spawn(move || {
        let mut peer = Peer::connect(port);
        peer.upgrade();
        for _ in 0..20 {
            peer.send(TEXT, b"where are you?");
            peer.expect(TEXT, b"where are you?");
        }
        peer.close(1000, "");
    });
    while log.briefs().last().is_none_or(|brief| !brief.starts_with("close")) {
        event_loop = std::thread::spawn(move || {
            event_loop.turn(Some(PATIENCE)).unwrap();
            event_loop
        })
        .join()
        .unwrap();
    }
    client.join().unwrap();
    assert!(log.closed().clean);
}
