//! The scripted client of the interop tests: see tests/README.md.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use serde_json::json;
use tightwire::{
    ClientOptions, ClientTls, CloseEvent, ConnId, Context, EventLoop, Handler, Message,
    MessageKind, Opening, Proxy, Socket,
};

const USAGE: &str = "usage: talk URL [--ca FILE] [--insecure] [--name NAME] [--protocol P]... \
                     [--header 'N: V']... [--proxy URL | --proxy-from-env]";
/// Byte `i` of a binary message is `i` modulo this.
const PATTERN: usize = 251;
/// How long a `wait` may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be done, and what was seen so far.
#[derive(Default)]
struct Script {
    commands: VecDeque<String>,
    /// Standard input is read to its end.
    complete: bool,
    open: bool,
    closing: bool,
    closed: bool,
    seen: Counts,
    waited: Counts,
    waiting_since: Option<Instant>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    messages: usize,
    pings: usize,
    pongs: usize,
}

type Shared = Arc<Mutex<Script>>;

/// Prints every event and goes on with the script.
struct Talk {
    script: Shared,
}

impl Handler for Talk {
    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        let Opening { protocol, extensions, .. } = opening;
        print(&json!({"event": "open", "protocol": protocol, "extensions": extensions}));
        lock(&self.script).open = true;
        self.step(ws);
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        print(&match message.kind() {
            MessageKind::Text => json!({"event": "text", "data": message.as_str()}),
            MessageKind::Binary => {
                let data = message.data();
                let same = data.iter().zip(pattern()).all(|(byte, expected)| *byte == expected);
                json!({"event": "binary", "len": data.len(), "pattern": same})
            }
        });
        lock(&self.script).seen.messages += 1;
        self.step(ws);
    }

    fn on_ping(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        print(&json!({"event": "ping", "data": String::from_utf8_lossy(payload)}));
        lock(&self.script).seen.pings += 1;
        self.step(ws);
    }

    fn on_pong(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        print(&json!({"event": "pong", "data": String::from_utf8_lossy(payload)}));
        lock(&self.script).seen.pongs += 1;
        self.step(ws);
    }

    fn on_close(&mut self, context: &mut Context<'_>, _: ConnId, close: &CloseEvent) {
        if let Some(error) = &close.error {
            let (phase, code) = (error.phase().as_str(), error.code() as u8);
            let text = error.to_string();
            print(&json!({"event": "error", "phase": phase, "code": code, "text": text}));
        }
        let CloseEvent { code, reason, clean, .. } = close;
        print(&json!({"event": "close", "code": code, "reason": reason, "clean": clean}));
        lock(&self.script).closed = true;
        context.stop();
    }
}

impl Talk {
    fn step(&self, ws: &mut Socket<'_>) {
        let id = ws.id();
        lock(&self.script).step(&mut ws.context(), id);
    }
}

impl Script {
    /// Carries out commands until one has to wait.
    fn step(&mut self, context: &mut Context<'_>, id: ConnId) {
        if !self.open || self.closed {
            return;
        }
        while let Some(command) = self.commands.pop_front() {
            let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
            if verb == "wait" {
                if self.is_over(rest) {
                    self.waiting_since = None;
                    continue;
                }
                self.commands.push_front(command);
                self.waiting_since.get_or_insert_with(now);
                return;
            }
            if let Err(error) = self.carry_out(context, id, verb, rest) {
                print(&json!({"event": "rejected", "command": verb, "text": error}));
            }
        }
        if self.complete && !self.closing {
            self.closing = true;
            // Does nothing on a connection that the peer closes already.
            let _ = context.close(id, Some(1000), "");
        }
    }

    /// Whether a `wait` for `what` is over; counts it if so.
    fn is_over(&mut self, what: &str) -> bool {
        let (seen, waited) = match what {
            "message" => (self.seen.messages, &mut self.waited.messages),
            "ping" => (self.seen.pings, &mut self.waited.pings),
            "pong" => (self.seen.pongs, &mut self.waited.pongs),
            // The close event ends the script, so that this wait is never over before.
            _ => return false,
        };
        let over = seen > *waited;
        if over {
            *waited += 1;
        }
        over
    }

    fn carry_out(
        &mut self,
        context: &mut Context<'_>,
        id: ConnId,
        verb: &str,
        rest: &str,
    ) -> Result<(), String> {
        match verb {
            "text" => context.send(id, rest).map_err(|error| error.to_string()),
            "binary" => {
                let len = rest.parse().map_err(|_| format!("binary {rest:?}: not a number"))?;
                let bytes: Vec<u8> = pattern().take(len).collect();
                context.send(id, &bytes).map_err(|error| error.to_string())
            }
            "ping" => context.ping(id, rest.as_bytes()).map_err(|error| error.to_string()),
            "close" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                let code = match code {
                    "" => None,
                    code => Some(code.parse().map_err(|_| format!("close {code:?}: no code"))?),
                };
                context.close(id, code, reason).map_err(|error| error.to_string())?;
                self.closing = true;
                Ok(())
            }
            "abort" => {
                self.closing = true;
                context.abort(id);
                Ok(())
            }
            _ => Err(format!("unknown command {verb:?}")),
        }
    }
}

fn main() -> ExitCode {
    match parse().and_then(run) {
        Ok(code) => code,
        Err(error) => {
            print(&json!({"event": "rejected", "command": "connect", "text": error.to_string()}));
            ExitCode::from(2)
        }
    }
}

fn parse() -> Result<ClientOptions, Box<dyn Error>> {
    let mut parser = lexopt::Parser::from_env();
    let (mut url, mut ca, mut name, mut insecure) = (None, None, None, false);
    let (mut protocols, mut headers) = (Vec::new(), Vec::new());
    let (mut proxy, mut proxy_from_env) = (None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Value(value) if url.is_none() => url = Some(value.string()?),
            Long("ca") => ca = Some(parser.value()?),
            Long("name") => name = Some(parser.value()?.string()?),
            Long("insecure") => insecure = true,
            Long("proxy") => proxy = Some(parser.value()?.string()?),
            Long("proxy-from-env") => proxy_from_env = true,
            Long("protocol") => protocols.push(parser.value()?.string()?),
            Long("header") => headers.push(parser.value()?.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let url = url.ok_or(USAGE)?;
    let mut options = ClientOptions::new(&url)?;
    for protocol in protocols {
        options = options.protocol(protocol);
    }
    for header in headers {
        let (name, value) = header.split_once(": ").ok_or("--header: use 'Name: value'")?;
        options = options.header(name, value);
    }
    if let Some(name) = name {
        options = options.tls_name(name);
    }
    let mut tls = ClientTls::builder();
    if let Some(ca) = ca {
        tls = tls.ca_file(ca)?.only_these_cas();
    }
    if insecure {
        tls = tls.danger_no_verification();
    }
    let tls = tls.build()?;
    let proxy = match proxy {
        Some(proxy) => Some(Proxy::new(&proxy)?),
        None if proxy_from_env => Proxy::from_env(&url)?,
        None => None,
    };
    if let Some(proxy) = proxy {
        options = options.proxy(proxy.tls(tls.clone()));
    }
    Ok(options.tls(tls))
}

fn run(options: ClientOptions) -> Result<ExitCode, Box<dyn Error>> {
    let script = Shared::default();
    let mut event_loop = EventLoop::new()?;
    let id = event_loop.connect(&options, Talk { script: Arc::clone(&script) })?;
    read_commands(&event_loop, &script, id);
    loop {
        event_loop.turn(Some(Duration::from_secs(1)))?;
        let script = lock(&script);
        if script.closed {
            return Ok(ExitCode::SUCCESS);
        }
        if script.waiting_since.is_some_and(|since| now() - since > PATIENCE) {
            return Ok(ExitCode::from(3));
        }
    }
}

/// Hands the lines of standard input to the loop's thread.
fn read_commands(event_loop: &EventLoop, script: &Shared, id: ConnId) {
    let handle = event_loop.handle();
    let script = Arc::clone(script);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for line in lines.map(Some).chain([None]) {
            let script = Arc::clone(&script);
            handle.post(Box::new(move |context| {
                let mut script = lock(&script);
                match line {
                    Some(line) => script.commands.push_back(line),
                    None => script.complete = true,
                }
                script.step(context, id);
            }));
        }
    });
}

fn pattern() -> impl Iterator<Item = u8> {
    (0..PATTERN).cycle().map(|byte| u8::try_from(byte).unwrap_or_default())
}

fn print(event: &serde_json::Value) {
    let mut stdout = std::io::stdout().lock();
    // A reader that went away is no reason to stop talking.
    let _ = writeln!(stdout, "{event}").and_then(|()| stdout.flush());
}

fn lock(script: &Shared) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "measures how long a wait takes")]
fn now() -> Instant {
    Instant::now()
}
