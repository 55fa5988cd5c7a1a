//! The other end, by hand: a blocking stream with handshakes and frames written out.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};

use super::{CLOSE, PATIENCE, close_payload};

/// A peer on any blocking stream.
pub(crate) struct Peer<S = TcpStream> {
    pub(crate) stream: S,
    input: Vec<u8>,
    /// Clients mask.
    masks: bool,
    /// The payload of the last Close frame that came.
    last_close: Vec<u8>,
}

/// A received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) masked: bool,
    pub(crate) payload: Vec<u8>,
}

/// A listening socket whose `accept` does not wait for ever.
pub(crate) fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE)).expect("an open socket");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// A request for a WebSocket with more lines, each with its end.
pub(crate) fn request(target: &str, host: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// The right answer to the key in the head of a request.
pub(crate) fn accept_key(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    tungstenite::handshake::derive_accept_key(key.expect("a key").as_bytes())
}

/// One frame as bytes, masked with a fixed key if `masked`.
pub(crate) fn frame(fin: bool, opcode: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(fin) << 7 | opcode];
    let bit = u8::from(masked) << 7;
    match payload.len() {
        len @ 0..126 => bytes.push(bit | u8::try_from(len).expect("it is small")),
        len @ 126..0x1_0000 => {
            bytes.push(bit | 126);
            bytes.extend_from_slice(&u16::try_from(len).expect("it is small").to_be_bytes());
        }
        len => {
            bytes.push(bit | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if masked {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        bytes.extend_from_slice(&key);
        bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend_from_slice(payload);
    }
    bytes
}

impl Peer {
    /// A TCP connection to a server of this machine.
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
        Self::client(stream)
    }

    fn client(stream: TcpStream) -> Self {
        patient(&stream);
        Self::on(stream, true)
    }

    /// A client of the loop that connects; not even its request is read.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().expect("somebody connects");
        patient(&stream);
        Self::on(stream, false)
    }

    /// A client of the loop, with the opening handshake done.
    pub(crate) fn accept_upgraded(listener: &TcpListener) -> Self {
        let mut peer = Self::accept(listener);
        peer.answer("");
        peer
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("an open socket");
    }

    /// Ends our half of the stream.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).expect("an open socket");
    }

    /// The closing handshake, begun by us, and the end of our half of the stream.
    #[track_caller]
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.send(CLOSE, &close_payload(code, reason));
        self.expect(CLOSE, &close_payload(code, reason));
        self.half_close();
    }

    /// Sends the Close frame that was just read back, and ends our half of the stream.
    #[track_caller]
    pub(crate) fn close_after_peer(&mut self) {
        let payload = std::mem::take(&mut self.last_close);
        self.send(CLOSE, &payload);
        self.half_close();
    }

    /// Whether something can be read within this time.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("an open socket");
        let silent = self.input.is_empty() && self.fill().is_err_and(|error| is_timeout(&error));
        self.stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        silent
    }
}

impl<S: Read + Write> Peer<S> {
    pub(crate) fn on(stream: S, masks: bool) -> Self {
        Self { stream, input: Vec::new(), masks, last_close: Vec::new() }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the loop reads");
        self.stream.flush().expect("the loop reads");
    }

    /// Asks for a WebSocket and reads the 101.
    pub(crate) fn upgrade(&mut self) -> String {
        self.write(request("/", "127.0.0.1", "").as_bytes());
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        head
    }

    /// Reads a request and answers it with 101 and more lines, each with its end.
    pub(crate) fn answer(&mut self, more: &str) -> String {
        let head = self.head();
        let answer = Self::answer_to(&head, more);
        self.write(answer.as_bytes());
        head
    }

    /// A 101 that answers this request.
    pub(crate) fn answer_to(head: &str, more: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{more}\r\n",
            accept_key(head)
        )
    }

    /// Reads up to the end of an HTTP head.
    pub(crate) fn head(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().expect("a head") > 0, "the stream ended in a head");
        };
        let head: Vec<u8> = self.input.drain(..end).collect();
        String::from_utf8(head).expect("heads are ASCII")
    }

    /// Sends a whole message or a control frame.
    pub(crate) fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.write(&frame(true, opcode, self.masks, payload));
    }

    /// Sends a part of a message.
    pub(crate) fn send_part(&mut self, opcode: u8, payload: &[u8], fin: bool) {
        self.write(&frame(fin, opcode, self.masks, payload));
    }

    /// Reads one frame.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Frame {
        self.try_frame().expect("the stream ended before a frame")
    }

    /// Reads one frame; `None` if the stream ends or is reset before it.
    #[track_caller]
    pub(crate) fn try_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, used)) = parse(&self.input) {
                self.input.drain(..used);
                assert_eq!(frame.masked, !self.masks, "exactly clients mask (5.1)");
                if frame.opcode == CLOSE {
                    self.last_close.clone_from(&frame.payload);
                }
                return Some(frame);
            }
            match self.fill() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no frame: {error}"),
            }
        }
    }

    /// Reads one frame and asserts what it is.
    #[track_caller]
    pub(crate) fn expect(&mut self, opcode: u8, payload: &[u8]) {
        let frame = self.frame();
        let start = &frame.payload[..frame.payload.len().min(40)];
        assert!(
            frame.fin && frame.opcode == opcode && frame.payload == payload,
            "opcode {} with {} bytes {:?}",
            frame.opcode,
            frame.payload.len(),
            String::from_utf8_lossy(start),
        );
    }

    /// Reads the end of the stream.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let rest = self.rest().expect("an end without an error");
        assert!(rest.is_empty(), "there was {:?}", String::from_utf8_lossy(&rest));
    }

    /// Reads all that comes.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.input))
    }

    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = vec![0; 64 << 10];
        let count = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        self.input.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn patient(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("an open socket");
    stream.set_nodelay(true).expect("an open socket");
}

fn parse(input: &[u8]) -> Option<(Frame, usize)> {
    let [first, second, rest @ ..] = input else { return None };
    let (fin, opcode, masked) = (first >> 7 == 1, first & 0x0f, second >> 7 == 1);
    assert_eq!(first & 0x70, 0, "no extension was agreed");
    let (len, mut at) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10),
        len => (usize::from(len), 2),
    };
    let mut key = [0; 4];
    if masked {
        key = *input.get(at..)?.first_chunk()?;
        at += 4;
    }
    let payload = input.get(at..at + len)?.iter().zip(key.iter().cycle());
    let payload = payload.map(|(byte, key)| byte ^ key).collect();
    Some((Frame { fin, opcode, masked, payload }, at + len))
}
