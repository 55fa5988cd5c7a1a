//! A whole connection, from the opening handshake to its end, driven by random bytes of the peer,
//! random steps of time and random calls of the application.
//!
//! The input is a byte of flags (1: server, 2: without the opening handshake, 4: few masking keys),
//! then steps: a byte that chooses what happens and what it needs.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tightwire::proto::frame::{Header, Opcode};
use tightwire::proto::handshake::{
    Answer, ClientHandshake, ClientRequest, ServerHandshake, accept_for,
};
use tightwire::proto::receiver::{Event, Receiver};
use tightwire::proto::sender::{Masks, SendError};
use tightwire::proto::session::{Failure, Session, StreamAction};
use tightwire::{MessageKind, ReadyState, Role, Tuning};

/// A client's keys, which are all zero so that the invariants can be read from its output.
struct Keys(u32);

impl Masks for Keys {
    fn next_mask(&mut self) -> Option<[u8; 4]> {
        self.0 = self.0.checked_sub(1)?;
        Some([0; 4])
    }
}

enum Greeting {
    Client(ClientHandshake, [u8; 16]),
    Server(ServerHandshake),
    Done,
}

struct Connection {
    role: Role,
    tuning: Tuning,
    greeting: Greeting,
    session: Session,
    receiver: Receiver,
    keys: Keys,
    now: Instant,
    /// Everything that the system took, to be read as frames at the end.
    written: Vec<u8>,
    /// Payload that the application sent and bytes that the peer did.
    sent: usize,
    received: usize,
    first_failure: Option<Failure>,
    refused: bool,
}

fuzz_target!(|input: &[u8]| {
    let [flags, steps @ ..] = input else { return };
    let mut connection = Connection::new(*flags);
    let mut rest = steps;
    while let [choice, after @ ..] = rest {
        rest = after;
        if !connection.step(*choice, &mut rest) {
            break;
        }
        connection.check();
    }
    connection.finish();
});

/// The next `count` bytes.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at(rest.len().min(count));
    *rest = after;
    taken
}

fn byte(rest: &mut &[u8]) -> u8 {
    take(rest, 1).first().copied().unwrap_or_default()
}

impl Connection {
    fn new(flags: u8) -> Self {
        let role = if flags & 1 == 1 { Role::Server } else { Role::Client };
        let tuning = Tuning {
            max_message: 4096,
            max_empty_fragments: 3,
            max_head: 1024,
            max_fields: 16,
            high_water: 512,
            ..Tuning::default()
        };
        let now = Instant::now();
        let greeting = match role {
            _ if flags & 2 == 2 => Greeting::Done,
            Role::Server => Greeting::Server(ServerHandshake::new(&tuning)),
            Role::Client => {
                let key = *b"the sample nonce";
                let request = ClientRequest {
                    host: "example.com",
                    target: "/",
                    protocols: &[],
                    origin: None,
                    headers: &[],
                    key,
                };
                let mut out = Vec::new();
                let handshake = ClientHandshake::start(&request, &tuning, &mut out)
                    .expect("the request can be sent");
                Greeting::Client(handshake, key)
            }
        };
        Self {
            role,
            greeting,
            session: Session::new(role, now, &tuning),
            receiver: Receiver::new(role, &tuning),
            keys: Keys(if flags & 4 == 4 { u32::from(flags >> 3) } else { u32::MAX }),
            now,
            tuning,
            written: Vec::new(),
            sent: 0,
            received: 0,
            first_failure: None,
            refused: false,
        }
    }

    /// One thing that happens. False once the connection is over.
    fn step(&mut self, choice: u8, rest: &mut &[u8]) -> bool {
        let (now, tuning, keys) = (self.now, &self.tuning, &mut self.keys);
        let kind = if choice & 0x80 == 0 { MessageKind::Text } else { MessageKind::Binary };
        let fin = choice & 0x40 == 0;
        match choice % 13 {
            0 | 1 => {
                let count = usize::from(byte(rest));
                let bytes = take(rest, count);
                return self.read(bytes);
            }
            2 => return self.read_frame(rest),
            3 => return self.answer(),
            4 => self.now += Duration::from_millis(u64::from(byte(rest)) * 100),
            5 => {
                if self.session.deadline().is_some_and(|due| due <= now) {
                    self.session.on_deadline(now, tuning, keys);
                    let due = self.session.deadline();
                    assert!(due.is_none_or(|due| due > now), "the same deadline again");
                }
            }
            6 => self.send(kind, usize::from(byte(rest)) * 8, None),
            7 => self.send(kind, usize::from(byte(rest)), Some(fin)),
            8 => {
                let result = self.session.ping(take(rest, 3), keys);
                assert!(result != Err(SendError::TooLong));
            }
            9 => {
                let code = u16::from_be_bytes([byte(rest), byte(rest)]);
                let code = if code < 256 { Some(900 + code) } else { Some(code) };
                let code = code.filter(|_| fin);
                let _ = self.session.close(code, "", now, tuning, keys);
            }
            10 => self.write(usize::from(byte(rest)) * 4),
            11 => {
                let failures = [Failure::Aborted, Failure::Internal, Failure::TlsTruncated];
                let failure = failures[usize::from(byte(rest)) % failures.len()];
                self.session.fail(failure, now, tuning, keys);
            }
            _ if fin => self.session.on_stream_end(),
            _ => self.session.on_stream_broken(Some(104)),
        }
        true
    }

    /// Bytes as they are.
    fn read(&mut self, bytes: &[u8]) -> bool {
        self.session.on_bytes(self.now, &self.tuning);
        self.received += bytes.len();
        let used = match &mut self.greeting {
            Greeting::Done => 0,
            Greeting::Client(handshake, _) => match handshake.advance(bytes) {
                Ok((used, accepted)) => {
                    if accepted.is_some() {
                        self.greeting = Greeting::Done;
                    }
                    used
                }
                Err(_) => return self.refuse(),
            },
            Greeting::Server(handshake) => match handshake.advance(bytes) {
                Ok((used, request)) => {
                    if let Some(request) = request {
                        request
                            .accept(&Answer::default(), &mut Vec::new())
                            .expect("nothing to refuse");
                        self.greeting = Greeting::Done;
                    }
                    used
                }
                Err(_) => return self.refuse(),
            },
        };
        if matches!(self.greeting, Greeting::Done) {
            self.frames(&bytes[used..]);
        }
        true
    }

    fn refuse(&mut self) -> bool {
        self.refused = true;
        false
    }

    /// A frame that is legal by itself, so that the fuzzer gets beyond the header.
    fn read_frame(&mut self, rest: &mut &[u8]) -> bool {
        let choice = byte(rest);
        let opcode = match choice & 7 {
            0 | 1 => Opcode::Continuation,
            2 => Opcode::Text,
            3 => Opcode::Binary,
            4 => Opcode::Close,
            5 | 6 => Opcode::Ping,
            _ => Opcode::Pong,
        };
        let fin = choice & 8 == 0 || opcode.is_control();
        let count = usize::from(choice >> 4);
        let payload = take(rest, count);
        let mask = (self.role == Role::Server).then_some([0; 4]);
        let mut bytes = Vec::new();
        let len = payload.len() as u64;
        Header { fin, compressed: false, opcode, mask, len }.write(&mut bytes);
        bytes.extend_from_slice(payload);
        self.read(&bytes)
    }

    /// The peer's half of the opening handshake, so that the fuzzer need not guess it.
    fn answer(&mut self) -> bool {
        let bytes = match &self.greeting {
            Greeting::Done => return true,
            Greeting::Client(_, key) => {
                assert_eq!(key, b"the sample nonce");
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                    accept_for("dGhlIHNhbXBsZSBub25jZQ==")
                )
            }
            Greeting::Server(_) => "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
                Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                Sec-WebSocket-Version: 13\r\n\r\n"
                .to_owned(),
        };
        self.read(bytes.as_bytes())
    }

    fn frames(&mut self, bytes: &[u8]) {
        let mut input = bytes.to_vec();
        let mut at = 0;
        let failed = self.first_failure.is_some();
        loop {
            let close = match self.receiver.next(&mut input[at..]) {
                Ok((_, None)) => return,
                Ok((used, Some(event))) => {
                    at += used;
                    let (tuning, keys) = (&self.tuning, &mut self.keys);
                    let wanted = self.session.on_event(&event, self.now, tuning, keys);
                    assert!(!wanted || !failed, "{event:?} after a failure");
                    matches!(event, Event::Close { .. })
                }
                Err(violation) => {
                    let failure = Failure::Violation(violation);
                    self.session.fail(failure, self.now, &self.tuning, &mut self.keys);
                    true
                }
            };
            if close {
                return self.receiver.stop();
            }
        }
    }

    fn send(&mut self, kind: MessageKind, len: usize, part: Option<bool>) {
        if self.session.queue().payload_len() > 4096 {
            return;
        }
        let payload = vec![b'x'; len];
        let open = self.session.ready_state() == ReadyState::Open;
        let result = match part {
            None => self.session.send(kind, &payload, &mut self.keys),
            Some(fin) => self.session.send_part(kind, &payload, fin, &mut self.keys),
        };
        assert!(open || result.is_err(), "sent in {:?}", self.session.ready_state());
        if result.is_ok() {
            self.sent += len + 14;
        }
    }

    fn write(&mut self, count: usize) {
        let count = count.min(self.session.queue().len());
        self.written.extend_from_slice(&self.session.queue().pending()[..count]);
        self.session.queue_mut().advance(count);
        let pending = !self.session.queue().is_empty();
        self.session.on_written(pending, self.now, &self.tuning, &mut self.keys);
    }

    /// What holds after every step.
    fn check(&mut self) {
        let outcome = self.session.outcome();
        let over = self.session.ready_state() == ReadyState::Closed
            || self.session.stream_action() == StreamAction::Drop;
        // While nothing has failed the outcome tells what it would be if the stream ended now.
        let failure = outcome.failure.filter(|failure| over || *failure != Failure::StreamEnded);
        // This program goes on writing after the end, which a transport cannot.
        let failure = failure.filter(|failure| *failure != Failure::CloseUnsent);
        if let Some(first) = self.first_failure {
            assert_eq!(failure, Some(first), "the first failure counts");
        }
        self.first_failure = failure;
        assert!(!outcome.clean || outcome.failure.is_none());
        if over {
            assert_eq!(self.session.deadline(), None, "it is over");
        }
        // The application's own, pings of its own and of ours, pongs up to the high mark, a Close.
        let queue = self.session.queue();
        assert!(queue.payload_len() <= 4096 + 255 * 8, "{} bytes queued", queue.payload_len());
        let pongs = (self.received * 2).min(64 * 131 + 131) + 131;
        let most = self.sent + pongs + self.tuning.high_water + (128 << 10);
        assert!(queue.len() <= most, "{} bytes queued", queue.len());
    }

    /// Reads all output as frames: nothing follows our Close, and messages are whole.
    fn finish(mut self) {
        if self.refused {
            return;
        }
        while !self.session.queue().is_empty() {
            self.write(usize::MAX);
        }
        let peer = if self.role == Role::Server { Role::Client } else { Role::Server };
        let (mut at, mut closed, mut in_parts) = (0, false, false);
        while at < self.written.len() {
            assert!(!closed, "something follows our Close");
            let (header, used) = Header::parse(&self.written[at..], peer)
                .expect("our own frames are legal")
                .expect("our own frames are whole");
            match header.opcode {
                Opcode::Close => closed = true,
                Opcode::Continuation => {
                    assert!(in_parts, "a continuation of nothing");
                    in_parts = !header.fin;
                }
                Opcode::Text | Opcode::Binary => {
                    assert!(!in_parts, "a message within another one");
                    in_parts = !header.fin;
                }
                Opcode::Ping | Opcode::Pong => {}
            }
            at += used + usize::try_from(header.len).expect("our own frames are small");
        }
        assert_eq!(at, self.written.len());
    }
}
