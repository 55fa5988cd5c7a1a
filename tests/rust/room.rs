//! Senders that were refused for want of room hear of it when there is some.

mod support;

use support::{Log, Script, World, pattern};
use tightwire::{ClientOptions, SendError, Tuning};

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
        support::until("a refusal", || remote.send(&payload).is_err());
        log.wait_for("drain", round);
    }
}
