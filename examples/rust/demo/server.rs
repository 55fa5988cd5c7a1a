//! The server of the demonstration: an event loop on a thread of its own.

use std::error::Error;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use tightwire::{
    CloseEvent, ConnId, Context, EventLoop, Handler, LoopHandle, Message, MessageKind, Opening,
    Reply, Request, ServerOptions, ServerTls, Socket,
};

use crate::certificates::Certificates;

const STORY: [&str; 3] = ["Once upon a time, ", "three fragments ", "were one message."];

/// Runs until [`stop`](Self::stop).
pub(crate) struct DemoServer {
    handle: LoopHandle,
    thread: JoinHandle<Result<(), tightwire::Error>>,
    notes: Receiver<String>,
    ws_port: u16,
    wss_port: u16,
}

impl DemoServer {
    pub(crate) fn start(certificates: &Certificates) -> Result<Self, Box<dyn Error>> {
        let tls = ServerTls::from_pem(certificates.chain.as_bytes(), certificates.key.as_bytes())?;
        let (notes_in, notes) = mpsc::channel();
        let mut event_loop = EventLoop::new()?;
        let plain = ServerOptions::new("ws://127.0.0.1:0")?.protocols(["demo.v1"]);
        let secure = ServerOptions::new("wss://127.0.0.1:0")?.protocols(["demo.v1"]).tls(tls);
        let ws = event_loop.listen(&plain, Host { notes: notes_in.clone() })?;
        let wss = event_loop.listen(&secure, Host { notes: notes_in })?;
        let ws_port = event_loop.context().server_port(ws).ok_or("no ws port")?;
        let wss_port = event_loop.context().server_port(wss).ok_or("no wss port")?;
        let handle = event_loop.handle();
        let thread = std::thread::spawn(move || {
            event_loop.run()?;
            event_loop.shutdown(Duration::from_secs(5))
        });
        Ok(Self { handle, thread, notes, ws_port, wss_port })
    }

    pub(crate) fn ws_url(&self) -> String {
        format!("ws://localhost:{}", self.ws_port)
    }

    pub(crate) fn wss_url(&self) -> String {
        format!("wss://localhost:{}", self.wss_port)
    }

    /// What the server noted about the client that has just ended.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        // The refusal is the last thing that happens to a client.
        while let Ok(note) = self.notes.recv_timeout(Duration::from_secs(5)) {
            let last = note.starts_with("refused");
            notes.push(note);
            if last {
                break;
            }
        }
        notes
    }

    pub(crate) fn stop(self) -> Result<(), Box<dyn Error>> {
        self.handle.stop();
        self.thread.join().map_err(|_| "the server panicked")??;
        Ok(())
    }
}

/// The callbacks.
struct Host {
    notes: Sender<String>,
}

impl Host {
    fn note(&self, note: String) {
        // The other end lives as long as the server.
        let _ = self.notes.send(note);
    }
}

impl Handler for Host {
    fn on_request(&mut self, _: &mut Context<'_>, request: &Request, reply: &mut Reply) {
        if request.target() == "/members" {
            reply.refuse(403, "members only");
            self.note(format!("refused ws://{}/members: members only", request.host()));
        }
    }

    fn on_open(&mut self, ws: &mut Socket<'_>, _: &Opening<'_>) {
        let question = "are you there?";
        if ws.ping(question.as_bytes()).is_ok() {
            self.note(format!("pinged the client: {question}"));
        }
    }

    fn on_pong(&mut self, _: &mut Socket<'_>, payload: &[u8]) {
        self.note(format!("pong came back: {}", String::from_utf8_lossy(payload)));
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        if message.as_str() == Some("tell me a story") {
            return self.tell(ws);
        }
        match (ws.send(message), message.kind()) {
            (Ok(()), MessageKind::Text) => {
                self.note(format!("echoed a text of {} bytes", message.data().len()));
            }
            (Ok(()), MessageKind::Binary) => {
                self.note(format!("echoed {} bytes", message.data().len()));
            }
            (Err(error), _) => self.note(format!("could not echo: {error}")),
        }
    }

    fn on_close(&mut self, _: &mut Context<'_>, _: ConnId, close: &CloseEvent) {
        self.note(format!("closed by the client: {} {}", close.code, close.reason));
    }
}

impl Host {
    fn tell(&self, ws: &mut Socket<'_>) {
        let mut parts = STORY.iter().peekable();
        let mut kind = Some(MessageKind::Text);
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            if let Err(error) = ws.send_part(kind.take(), part.as_bytes(), last) {
                return self.note(format!("could not tell the story: {error}"));
            }
        }
        self.note("told a story in three fragments".to_owned());
    }
}
