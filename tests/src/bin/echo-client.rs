//! The echo client that Autobahn's fuzzing server tests: see tests/README.md.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::mpsc;

use tightwire::{Client, CloseEvent, Deflate, DeflateMode, Handler, Message, Socket, Tuning};

const AGENT: &str = "tightwire-rust";

struct Echo;

impl Handler for Echo {
    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        // The server cannot take an uncompressed answer in its cases of compression.
        ws.send(message.compress(true)).ok();
    }
}

/// Takes the one message that says how many cases there are.
struct Count {
    count: mpsc::Sender<String>,
}

impl Handler for Count {
    fn on_message(&mut self, _: &mut Socket<'_>, message: Message<'_>) {
        if let Some(text) = message.as_str() {
            // The receiver lives as long as the connection.
            let _ = self.count.send(text.to_owned());
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (url, mode) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [url] => (url, DeflateMode::Auto),
        ["--deflate-mode", "off", url] => (url, DeflateMode::Off),
        ["--deflate-mode", "shared", url] => (url, DeflateMode::Shared),
        ["--deflate-mode", "dedicated", url] => (url, DeflateMode::Dedicated),
        ["--deflate-mode", "parked", url] => (url, DeflateMode::Parked),
        _ => {
            let usage = "usage: echo-client [--deflate-mode off|shared|dedicated|parked] URL";
            let _ = writeln!(std::io::stderr(), "{usage}");
            return ExitCode::from(2);
        }
    };
    match run(url.trim_end_matches('/'), mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "echo-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, mode: DeflateMode) -> Result<(), Box<dyn Error>> {
    let (count, counted) = mpsc::channel();
    visit(&format!("{url}/getCaseCount"), mode, Count { count })?;
    let cases: u32 = counted.recv()?.parse()?;
    for case in 1..=cases {
        // How a case ends is for the server to judge.
        visit(&format!("{url}/runCase?case={case}&agent={AGENT}"), mode, Echo)?;
    }
    visit(&format!("{url}/updateReports?agent={AGENT}"), mode, Echo)?;
    Ok(())
}

fn visit(
    url: &str,
    mode: DeflateMode,
    handler: impl Handler + Send + 'static,
) -> Result<CloseEvent, tightwire::Error> {
    // The server counts a keep-alive ping as an answer to the case.
    let deflate = Deflate { mode, ..Deflate::default() };
    let tuning = Tuning { ping_interval: None, deflate, ..Tuning::default() };
    Client::new(url)?.tuning(tuning).run(handler)
}
