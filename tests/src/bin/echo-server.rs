//! The echo server that outside judges test: see tests/README.md.

use std::error::Error;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tightwire::{
    Deflate, DeflateMode, EventLoop, Handler, Message, SendError, ServerOptions, ServerTls, Socket,
    Tuning,
};

const USAGE: &str =
    "usage: echo-server --port P [--mode echo|sink] [--tls CERT KEY] [--origin ORIGIN] [--deflate]
    [--deflate-mode shared|dedicated|parked] [--deflate-level 1..9] [--deflate-threshold BYTES]";
/// In `sink` mode messages of this size and more are dropped.
const SINK: usize = 16;

struct Arguments {
    port: u16,
    sink: bool,
    tls: Option<(PathBuf, PathBuf)>,
    origins: Vec<String>,
    deflate: Deflate,
}

/// Sends each message back, or, as a sink, short ones only.
struct Echo {
    sink: bool,
    /// Also what compression makes larger: the threshold is 0.
    compress_all: bool,
}

impl Handler for Echo {
    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        if self.sink && message.data().len() >= SINK {
            return;
        }
        let message = if self.compress_all { message.compress(true) } else { message };
        // A client that takes nothing while it sends is not worth the memory.
        if let Err(SendError::Full { .. }) = ws.send(message) {
            ws.abort();
        }
    }
}

fn main() -> ExitCode {
    match parse().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "echo-server: {error}");
            ExitCode::from(2)
        }
    }
}

fn parse() -> Result<Arguments, Box<dyn Error>> {
    let (mut port, mut sink, mut tls) = (None, false, None);
    let (mut origins, mut deflate) = (Vec::new(), Deflate::default());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => port = Some(number(&parser.value()?)?),
            Long("mode") => sink = mode(&parser.value()?)?,
            Long("tls") => tls = Some((parser.value()?.into(), parser.value()?.into())),
            Long("origin") => origins.push(parser.value()?.string()?),
            Long("deflate") => deflate.mode = DeflateMode::Dedicated,
            Long("deflate-mode") => deflate.mode = deflate_mode(&parser.value()?)?,
            Long("deflate-level") => deflate.level = Some(parser.value()?.parse()?),
            Long("deflate-threshold") => deflate.threshold = parser.value()?.parse()?,
            _ => return Err(format!("{}\n{USAGE}", argument.unexpected()).into()),
        }
    }
    Ok(Arguments { port: port.ok_or(USAGE)?, sink, tls, origins, deflate })
}

fn number(port: &OsString) -> Result<u16, String> {
    let text = port.to_string_lossy();
    text.parse().map_err(|_| format!("--port {text}: use a number from 0 to 65535"))
}

fn mode(name: &OsString) -> Result<bool, String> {
    match name.to_str() {
        Some("echo") => Ok(false),
        Some("sink") => Ok(true),
        _ => Err(format!("--mode {}: use echo or sink", name.to_string_lossy())),
    }
}

fn deflate_mode(name: &OsString) -> Result<DeflateMode, String> {
    match name.to_str() {
        Some("shared") => Ok(DeflateMode::Shared),
        Some("dedicated") => Ok(DeflateMode::Dedicated),
        Some("parked") => Ok(DeflateMode::Parked),
        _ => Err(format!("--deflate-mode {}: {USAGE}", name.to_string_lossy())),
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let compress_all = arguments.deflate.threshold == 0;
    let mut options = ServerOptions::new(&format!("127.0.0.1:{}", arguments.port))?
        .origins(arguments.origins)
        .tuning(Tuning { deflate: arguments.deflate, ..Tuning::default() });
    if let Some((cert, key)) = &arguments.tls {
        options = options.tls(ServerTls::from_pem_files(cert, key)?);
    }
    let mut event_loop = EventLoop::new()?;
    let server = event_loop.listen(&options, Echo { sink: arguments.sink, compress_all })?;
    if arguments.port == 0 {
        let port = event_loop.context().server_port(server).unwrap_or_default();
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{port}")?;
        stdout.flush()?;
    }
    let handle = event_loop.handle();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            handle.stop();
        }
    });
    event_loop.run()?;
    event_loop.shutdown(Duration::from_secs(5))?;
    Ok(())
}
