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
use tightwire::{EventLoop, Handler, Message, ServerOptions, Socket, Tuning};

const CONNECTIONS: u64 = 10_000;
/// Connections before the first measurement: the loop's own buffers are there then.
const WARM: u64 = 100;
/// Descriptors for anything but connections.
const SPARE: u64 = 100;
/// Most bytes of a connection.
const GOAL: u64 = 1_024;
/// The argument of the server's process.
const SERVE: &str = "--serve";
const PATIENCE: Duration = Duration::from_secs(30);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

struct Echo;

impl Handler for Echo {
    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        ws.send(message).ok();
    }
}

fn main() -> ExitCode {
    let serves = std::env::args().nth(1).is_some_and(|argument| argument == SERVE);
    let done = if serves { serve().map(|()| true) } else { measure() };
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
fn serve() -> Result<(), Box<dyn Error>> {
    raise_limit();
    let mut event_loop = EventLoop::new()?;
    // No ping disturbs the idle ones, however long it takes to make them.
    let tuning = Tuning { ping_interval: None, ..Tuning::default() };
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
    let mut server = Command::new(std::env::current_exe()?)
        .arg(SERVE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let port = line.trim().parse()?;
    let warm = open(port, WARM)?;
    let before = memory(&server)?;
    let idle = open(port, count)?;
    let each = memory(&server)?.saturating_sub(before) / count;
    drop(server.stdin.take());
    server.wait()?;
    drop((warm, idle));
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "{count} idle ws connections: {each} bytes of user space each (goal: at most {GOAL})"
    )?;
    Ok(each <= GOAL)
}

/// Opens connections that do nothing, each after a message there and back.
fn open(port: u16, count: u64) -> Result<Vec<TcpStream>, Box<dyn Error>> {
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
        // "hi" in a text frame, masked with zeros.
        stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'])?;
        stream.read_exact(&mut [0; 4])?;
        streams.push(stream);
    }
    Ok(streams)
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
