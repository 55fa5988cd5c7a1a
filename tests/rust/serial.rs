//! Clients that open their connections to one host one after the other.

use std::net::TcpListener;
use std::time::Duration;

use tightwire::{ClientOptions, ConnId, ErrorCode, Phase, ReadyState, Reconnect, Tuning};

use crate::support::{self, Log, Peer, Script, World, listen};

fn options(port: u16, path: &str) -> ClientOptions {
    ClientOptions::new(&format!("ws://127.0.0.1:{port}/{path}")).unwrap()
}

/// A client that takes its turn, and what it was told.
fn in_turn(world: &World, port: u16, path: &str) -> (Log, ConnId) {
    let log = Log::default();
    let options = options(port, path).serialize_connects(true);
    let id = world.dial_with(options, Script::new(&log));
    (log, id)
}

/// The next client that connects, which has to be the one of this path.
#[track_caller]
fn accept(listener: &TcpListener, path: &str) -> (Peer, String) {
    let mut peer = Peer::accept(listener);
    let head = peer.head();
    assert!(head.starts_with(&format!("GET /{path} ")), "{head}");
    (peer, head)
}

#[track_caller]
fn open(listener: &TcpListener, path: &str) -> Peer {
    let (mut peer, head) = accept(listener, path);
    upgrade(&mut peer, &head);
    peer
}

fn upgrade(peer: &mut Peer, head: &str) {
    let key = support::accept_key(head);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {key}\r\n\r\n"
    );
    peer.write(answer.as_bytes());
}

fn answer(peer: &mut Peer, status: &str) {
    peer.write(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
}

/// Shows that nobody but those who came before is on the way: a client that does not take turns is
/// the next one.
#[track_caller]
fn nobody_else(world: &World, listener: &TcpListener, port: u16) {
    let log = Log::default();
    world.dial_with(options(port, "control"), Script::new(&log));
    let (mut peer, _) = accept(listener, "control");
    answer(&mut peer, "404 No");
    log.failed();
}

#[test]
fn without_the_option_connections_are_made_side_by_side() {
    let (world, (listener, port)) = (World::new(), listen());
    for path in ["one", "two"] {
        world.dial_with(options(port, path), Script::new(&Log::default()));
    }
    // Both are there, although nobody has been answered.
    let _peers = [Peer::accept(&listener), Peer::accept(&listener)];
}

#[test]
fn the_next_one_begins_when_the_one_before_is_open() {
    let (world, (listener, port)) = (World::new(), listen());
    let logs: Vec<_> =
        ["one", "two", "three"].iter().map(|path| in_turn(&world, port, path)).collect();
    let mut peers = Vec::new();
    for (path, (log, _)) in ["one", "two", "three"].iter().zip(&logs) {
        let (mut peer, head) = accept(&listener, path);
        nobody_else(&world, &listener, port);
        assert_eq!(log.briefs(), Vec::<String>::new());
        upgrade(&mut peer, &head);
        log.opened();
        peers.push(peer);
    }
}

#[test]
fn the_next_one_begins_when_the_one_before_has_failed() {
    let (world, (listener, port)) = (World::new(), listen());
    let refused = in_turn(&world, port, "refused").0;
    let lost = in_turn(&world, port, "lost").0;
    let opened = in_turn(&world, port, "opened").0;
    answer(&mut accept(&listener, "refused").0, "403 No");
    assert_eq!(refused.failed().http().unwrap().status, 403);
    accept(&listener, "lost").0.reset();
    assert_eq!(lost.failed().code(), ErrorCode::Reset);
    let _peer = open(&listener, "opened");
    opened.opened();
}

#[test]
fn a_connection_that_waits_can_be_given_up() {
    let (world, (listener, port)) = (World::new(), listen());
    let first = in_turn(&world, port, "first").0;
    let (mut peer, head) = accept(&listener, "first");
    for abort in [false, true] {
        let (log, id) = in_turn(&world, port, "given-up");
        let remote = world.handle().remote(id).unwrap();
        assert_eq!(remote.ready_state(), ReadyState::Connecting);
        if abort {
            remote.abort();
        } else {
            remote.close(Some(1000), "").unwrap();
        }
        assert_eq!(log.failed().phase(), Phase::App);
    }
    let last = in_turn(&world, port, "last").0;
    nobody_else(&world, &listener, port);
    upgrade(&mut peer, &head);
    first.opened();
    let _peer = open(&listener, "last");
    last.opened();
}

#[test]
fn what_is_given_up_in_the_very_moment_of_its_turn_lets_the_next_one_begin() {
    let (world, (listener, port)) = (World::new(), listen());
    let (log, given_up, last) = (Log::default(), Log::default(), Log::default());
    let options_of = move |path| options(port, path).serialize_connects(true);
    let waits = given_up.clone();
    let script = Script::new(&log).on_open(move |ws, _| {
        let mut context = ws.context();
        let waits = Script::new(&waits);
        let id = context.connect(&options_of("given-up"), Box::new(waits)).unwrap();
        context.abort(id);
    });
    world.dial_with(options_of("first"), script);
    let waits = last.clone();
    world.dial_with(options_of("last"), Script::new(&waits));
    let _first = open(&listener, "first");
    assert_eq!(given_up.failed().phase(), Phase::App);
    let _last = open(&listener, "last");
    last.opened();
}

#[test]
fn other_hosts_and_ports_do_not_wait() {
    let (world, (one, port), (other, port_of_other)) = (World::new(), listen(), listen());
    in_turn(&world, port, "one");
    let _peer = accept(&one, "one");
    let log = in_turn(&world, port_of_other, "other").0;
    let _peer = open(&other, "other");
    log.opened();
    // Another name of the same address.
    let (log, url) = (Log::default(), format!("ws://localhost:{port}/name"));
    let named = ClientOptions::new(&url).unwrap().serialize_connects(true);
    world.dial_with(named.connect_to(format!("127.0.0.1:{port}")), Script::new(&log));
    let _peer = open(&one, "name");
    log.opened();
}

#[test]
fn the_open_timeout_goes_on_only_while_it_is_its_turn() {
    let (world, (_listener, port)) = (World::new(), listen());
    let (all, mut ids) = (Log::default(), Vec::new());
    for timeout in [300, 100] {
        let open_timeout = Some(Duration::from_millis(timeout));
        let tuning = Tuning { open_timeout, ..Tuning::default() };
        let options = options(port, "silent").serialize_connects(true).tuning(tuning);
        // One log, so that the order shows.
        ids.push(world.dial_with(options, Script::new(&all)));
    }
    all.closes(2);
    let order: Vec<_> = all.events().into_iter().map(|(id, _)| id).collect();
    assert_eq!(order, ids, "the first one fails first, although it has more time");
    for close in all.closes(2) {
        let error = close.error.unwrap();
        assert_eq!((error.phase(), error.code()), (Phase::Upgrade, ErrorCode::TimedOut));
    }
}

#[test]
fn a_redirect_to_another_host_waits_for_its_turn_there() {
    let (world, (one, port), (other, port_of_other)) = (World::new(), listen(), listen());
    let there = in_turn(&world, port_of_other, "there").0;
    let (mut busy, head) = accept(&other, "there");
    let moved = Log::default();
    let options = options(port, "moved").serialize_connects(true).max_redirects(2);
    world.dial_with(options, Script::new(&moved));
    let next = in_turn(&world, port, "next").0;
    // On the same host it is the same opening.
    let (mut peer, _) = accept(&one, "moved");
    answer(&mut peer, "302 Found\r\nLocation: /again");
    let (mut peer, _) = accept(&one, "again");
    nobody_else(&world, &one, port);
    let away = format!("302 Found\r\nLocation: ws://127.0.0.1:{port_of_other}/away");
    answer(&mut peer, &away);
    // Where it was, the next one begins; where it goes, it waits.
    let _peer = open(&one, "next");
    next.opened();
    nobody_else(&world, &other, port_of_other);
    upgrade(&mut busy, &head);
    there.opened();
    let _peer = open(&other, "away");
    moved.opened();
}

#[test]
fn every_attempt_of_a_reconnect_takes_its_turn() {
    let (world, (listener, port)) = (World::new(), listen());
    let log = Log::default();
    let policy = Reconnect { initial: Duration::from_millis(5), ..Reconnect::default() };
    let options = options(port, "back").serialize_connects(true).reconnect(policy);
    world.dial_with(options, Script::new(&log));
    let back = open(&listener, "back");
    log.opened();
    let other = in_turn(&world, port, "other").0;
    let (mut peer, head) = accept(&listener, "other");
    back.reset();
    log.wait_for("reconnect 1006 1", 1);
    // Whatever its wait was: it queues up behind the one that is on its way.
    nobody_else(&world, &listener, port);
    upgrade(&mut peer, &head);
    other.opened();
    let _back = open(&listener, "back");
    log.wait_for("open", 2);
}

#[test]
fn the_end_of_a_loop_ends_those_that_wait() {
    let (world, (listener, port)) = (World::new(), listen());
    let logs: Vec<_> = (0..3).map(|_| in_turn(&world, port, "x").0).collect();
    let _peer = accept(&listener, "x");
    drop(world);
    for log in logs {
        assert_eq!(log.failed().phase(), Phase::App);
    }
}
