//! Memory of an idle connection: see tests/README.md.
//!
//! Two processes, since the clients' sockets count against the same limit of descriptors: this
//! program starts itself again as the server, opens plain sockets to it, and divides what the
//! server's anonymous memory grew by.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tightwire::{Deflate, DeflateMode, EventLoop, Handler, Message, ServerOptions, Socket, Tuning};

const CONNECTIONS: u64 = 10_000;
/// Connections before the first measurement: the loop's own buffers are there then.
const WARM: u64 = 100;
/// Descriptors for anything but connections.
const SPARE: u64 = 100;
/// Most bytes of a connection.
const GOAL: u64 = 1_024;
/// The argument of the server's process; the mode of compression follows.
const SERVE: &str = "--serve";
/// Messages before a connection is idle: together they are more than the largest window.
const MESSAGES: u32 = 6;
/// Connections with compression.
const COMPRESSED: u64 = 1_000;
/// The modes, and the KiB that each adds, as ARCHITECTURE.md says for the default window.
const MODES: [(&str, DeflateMode, f64); 3] = [
    ("shared", DeflateMode::Shared, 0.2),
    ("parked", DeflateMode::Parked, 8.2),
    ("dedicated", DeflateMode::Dedicated, 208.0),
];
const PATIENCE: Duration = Duration::from_secs(30);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

struct Echo;

impl Handler for Echo {
    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        ws.send(message).ok();
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next().as_deref(), arguments.next()) {
        (Some(SERVE), mode) => serve(mode.as_deref().unwrap_or_default()).map(|()| true),
        _ => measure().and_then(|plain| Ok(measure_compression()? && plain)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "idle-memory: {error}");
            ExitCode::from(2)
        }
    }
}

/// Serves until its standard input ends.
fn serve(mode: &str) -> Result<(), Box<dyn Error>> {
    raise_limit();
    let mut event_loop = EventLoop::new()?;
    // No ping disturbs the idle ones, however long it takes to make them.
    let mode = MODES.iter().find(|(name, ..)| *name == mode).map_or(DeflateMode::Off, |m| m.1);
    let deflate = Deflate { mode, ..Deflate::default() };
    let tuning = Tuning { ping_interval: None, deflate, ..Tuning::default() };
    let options = ServerOptions::new("127.0.0.1:0")?.tuning(tuning);
    let server = event_loop.listen(&options, Echo)?;
    let port = event_loop.context().server_port(server).unwrap_or_default();
    writeln!(std::io::stdout(), "{port}")?;
    let handle = event_loop.handle();
    std::thread::spawn(move || {
        // Whatever happens to it: the other process is gone.
        let _ = std::io::stdin().read(&mut [0]);
        handle.stop();
    });
    Ok(event_loop.run()?)
}

/// True if the goal is met.
fn measure() -> Result<bool, Box<dyn Error>> {
    let count = CONNECTIONS.min(raise_limit().saturating_sub(WARM + SPARE));
    let hi = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    let each = memory_of_each("", count, &hi)?;
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "{count} idle ws connections: {each} bytes of user space each (goal: at most {GOAL})"
    )?;
    Ok(each <= GOAL)
}

/// What each mode of compression adds; true if that is within 5 % of what the documentation says,
/// or within 1 KiB, since the system counts in pages.
fn measure_compression() -> Result<bool, Box<dyn Error>> {
    let (plain, stored) = messages();
    let base = memory_of_each("", COMPRESSED, &plain)?;
    let mut all = true;
    for (name, _, documented) in MODES {
        let each = memory_of_each(name, COMPRESSED, &stored)?;
        let kib = (each as f64 - base as f64) / 1024.0;
        let close = (kib - documented).abs() <= (documented * 0.05).max(1.0);
        let verdict = if close { "" } else { ", which is off" };
        writeln!(
            std::io::stdout(),
            "{COMPRESSED} idle connections, compression {name}: {kib:.1} KiB more each \
             (documented: {documented}){verdict}"
        )?;
        all &= close;
    }
    Ok(all)
}

/// A message larger than the default window, as it is and compressed: in a stored block, so that
/// nothing here has to compress.
fn messages() -> (Vec<u8>, Vec<u8>) {
    let payload: Vec<u8> = (0..8000_u32).map(|at| (at * at / 7).to_le_bytes()[0] % 16).collect();
    let [low, high] = 8000_u16.to_le_bytes();
    let block = [&[0, low, high, !low, !high], &payload[..], &[0]].concat();
    let frame = |first: u8, payload: &[u8]| {
        let len = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[first, 0xfe], &len[..], &[0; 4], payload].concat()
    };
    (frame(0x82, &payload), frame(0xc2, &block))
}

/// Bytes of a server per connection that has had this message echoed.
fn memory_of_each(mode: &str, count: u64, message: &[u8]) -> Result<u64, Box<dyn Error>> {
    let mut server = Command::new(std::env::current_exe()?)
        .args([SERVE, mode])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let port = line.trim().parse()?;
    let warm = open(port, WARM, message)?;
    let before = memory(&server)?;
    let idle = open(port, count, message)?;
    let each = memory(&server)?.saturating_sub(before) / count;
    drop(server.stdin.take());
    server.wait()?;
    drop((warm, idle));
    Ok(each)
}

/// Opens connections that do nothing, each after some messages there and back.
fn open(port: u16, count: u64, message: &[u8]) -> Result<Vec<TcpStream>, Box<dyn Error>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(REQUEST)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.extend_from_slice(&byte);
        }
        for _ in 0..MESSAGES {
            stream.write_all(message)?;
            skip_frame(&mut stream)?;
        }
        streams.push(stream);
    }
    Ok(streams)
}

/// Reads a frame of a server.
fn skip_frame(stream: &mut TcpStream) -> Result<(), Box<dyn Error>> {
    let mut header = [0; 2];
    stream.read_exact(&mut header)?;
    let mut len = usize::from(header[1]);
    if len == 126 {
        let mut long = [0; 2];
        stream.read_exact(&mut long)?;
        len = u16::from_be_bytes(long).into();
    }
    Ok(stream.read_exact(&mut vec![0; len])?)
}

/// Bytes of anonymous memory of a process: heap and stacks, not the program's text.
fn memory(process: &Child) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1_024)
}

/// Allows as many descriptors as the system lets us have, and says how many those are.
fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Where it fails the old limit stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.or(current).unwrap_or(u64::MAX)
}
