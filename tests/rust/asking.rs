//! Requests that are answered later, servers that end with their connections, and messages in chunks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tightwire::{
    Chunk, ClientOptions, ConnId, ErrorCode, EventLoop, Handler, LogLevel, MessageKind, Reply,
    Socket, Tuning,
};

use crate::support::{self, Log, Peer, Script, TEXT, World, options, request};

/// Leaves every answer for later, and says for which connection.
fn deferring(log: &Log) -> (Script, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let id = Arc::clone(&asked);
    let script = Script::new(log).on_request(move |_, _, reply| {
        let deferred = reply.defer().expect("a request has a connection");
        id.store(deferred.to_u64(), Ordering::Release);
    });
    (script, asked)
}

fn asked(asked: &AtomicU64) -> ConnId {
    support::until("a request", || asked.load(Ordering::Acquire) != 0);
    ConnId::from_u64(asked.load(Ordering::Acquire))
}

#[test]
fn a_request_may_be_accepted_later_and_what_came_meanwhile_is_not_lost() {
    let world = World::new();
    let (script, id) = deferring(&Log::default());
    let server = world.serve(script);
    let mut peer = Peer::connect(server.port);
    // A client that does not wait for the answer.
    let mut bytes = request("/", "127.0.0.1", "").into_bytes();
    bytes.extend(support::frame(true, TEXT, true, b"early"));
    peer.write(&bytes);
    let id = asked(&id);
    assert!(peer.is_silent_for(Duration::from_millis(30)));
    world.call(move |context| {
        let mut reply = Reply::accept();
        reply.protocol(Some("unheard-of"));
        let refused = context.answer(id, reply).expect_err("the client did not offer it");
        assert_eq!(refused.code(), ErrorCode::InvalidArgument);
        context.answer(id, Reply::accept()).expect("it waits");
        let again = context.answer(id, Reply::accept()).expect_err("it was answered");
        assert_eq!(again.code(), ErrorCode::State);
    });
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    server.log.wait_for("text early", 1);
    peer.close(1000, "");
    assert!(server.log.closed().clean);
}

#[test]
fn who_leaves_before_the_answer_is_told_of() {
    let world = World::new();
    let (script, id) = deferring(&Log::default());
    let server = world.serve(script);
    let peer = {
        let mut peer = Peer::connect(server.port);
        peer.write(request("/", "127.0.0.1", "").as_bytes());
        peer
    };
    let id = asked(&id);
    drop(peer);
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (1006, false));
    world.call(move |context| {
        let gone = context.answer(id, Reply::accept()).expect_err("it is gone");
        assert_eq!(gone.code(), ErrorCode::Handle);
    });
}

#[test]
fn who_is_never_answered_is_refused_at_the_deadline() {
    let world = World::new();
    let (script, _) = deferring(&Log::default());
    let tuning = Tuning { open_timeout: Some(Duration::from_millis(50)), ..Tuning::default() };
    let server = world.serve_with(options().tuning(tuning), script);
    let mut peer = Peer::connect(server.port);
    peer.write(request("/", "127.0.0.1", "").as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 503 "));
    let error = server.log.closed().error.expect("a reason");
    assert_eq!(error.code(), ErrorCode::TimedOut);
}

#[test]
fn a_server_ends_with_its_connections_and_spares_those_of_others() {
    let world = World::new();
    let (script, id) = deferring(&Log::default());
    let [ending, staying] = [world.echo(), world.echo()];
    let waiting = world.serve(script);
    let [closed, open, refused] = [Log::default(), Log::default(), Log::default()];
    world.client(&ending, Script::new(&closed));
    let remote = world.client(&staying, Script::new(&open));
    world.dial(&waiting.url(), Script::new(&refused));
    asked(&id);
    let grace = Duration::from_secs(5);
    for id in [ending.id, waiting.id] {
        assert!(world.call(move |context| context.end_server(id, grace)));
        assert!(!world.call(move |context| context.end_server(id, grace)));
    }
    assert_eq!(closed.closed().code, 1001);
    let reply = refused.closed().error.and_then(|error| error.http().map(|reply| reply.status));
    assert_eq!(reply, Some(503));
    remote.send("still there").expect("it is open");
    open.wait_for("text still there", 1);
}

#[test]
fn who_does_not_answer_the_close_of_a_server_is_aborted_after_the_grace() {
    let world = World::new();
    let server = world.echo();
    let mut peer = server.peer();
    let id = server.id;
    server.log.opened();
    world.call(move |context| context.end_server(id, Duration::from_millis(50)));
    peer.expect(support::CLOSE, &support::close_payload(1001, ""));
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (1006, false));
}

/// Puts chunks together.
struct Chunks {
    log: Log,
    text: Vec<u8>,
    count: usize,
}

impl Handler for Chunks {
    fn on_chunk(&mut self, ws: &mut Socket<'_>, chunk: Chunk<'_>) {
        assert_eq!(chunk.first, chunk.offset == 0);
        assert_eq!(chunk.offset, self.text.len() as u64);
        self.text.extend_from_slice(chunk.data);
        self.count += 1;
        if chunk.last {
            assert!(self.count > 3, "{} chunks", self.count);
            let text = std::mem::take(&mut self.text);
            self.log.push(ws.id(), support::Event::message(chunk.kind, &text));
        }
    }
}

#[test]
fn a_message_comes_in_chunks_to_who_asked_for_them() {
    let world = World::new();
    let tuning = Tuning { chunks: true, ..Tuning::default() };
    let log = Log::default();
    let chunks = Chunks { log: log.clone(), text: Vec::new(), count: 0 };
    let port = world.call(move |context| {
        let id = context.listen(&options().tuning(tuning), Box::new(chunks)).expect("a socket");
        context.server_port(id).expect("a port")
    });
    let client = Log::default();
    let options = ClientOptions::new(&format!("ws://127.0.0.1:{port}/")).expect("a URL");
    let id = world.dial_with(options, Script::new(&client));
    client.opened();
    let text = "€".repeat(400_000);
    let whole = text.clone();
    world.call(move |context| {
        let parts: Vec<_> = text.as_bytes().chunks(100_001).collect();
        for (at, part) in parts.iter().enumerate() {
            let kind = (at == 0).then_some(MessageKind::Text);
            context.send_part(id, kind, part, at + 1 == parts.len()).expect("there is room");
        }
    });
    log.wait_for("text of 1200000", 1);
    assert!(log.texts() == [whole]);
}

#[test]
fn a_loop_tells_what_goes_on_to_who_asked_for_it() {
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let mut event_loop = EventLoop::new().expect("a loop");
    event_loop.set_log(
        LogLevel::Info,
        Box::new(move |level, text| {
            kept.lock().expect("no panic").push((level, text.to_owned()));
            assert!(!text.contains("no more"), "a sink that panics is not the end");
        }),
    );
    let script = Script::default();
    let id = event_loop.listen(&options(), script).expect("a socket");
    event_loop.context().close_server(id);
    event_loop.turn(Some(Duration::ZERO)).expect("the poller works");
    let lines = lines.lock().expect("no panic");
    let [(first, listening), (_, closed)] = &lines[..] else { panic!("{lines:?}") };
    assert!(*first == LogLevel::Info && listening.starts_with("listening on 127.0.0.1:"));
    assert!(closed.ends_with("listening no more"), "{closed}");
}
