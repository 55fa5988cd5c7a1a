//! The Rust client of `make demo`: `demo-client WSS_URL WS_URL CA_FILE`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use tightwire::{
    Client, ClientOptions, ClientTls, CloseEvent, ConnId, Context, Handler, Message, Opening,
    Socket,
};

const GREETING: &str = "Grüße, 世界! 👋";
const SIZE: usize = 1 << 20;

/// Says one thing after the other, each when the answer to the last one is here.
struct Talk {
    bytes: Vec<u8>,
}

impl Handler for Talk {
    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        tell("open", &format!("wss, subprotocol {}", opening.protocol));
        tell("said", GREETING);
        ws.send(GREETING).ok();
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        match message.as_str() {
            Some(GREETING) => {
                tell("heard", GREETING);
                tell("said", &format!("{SIZE} bytes"));
                ws.send(&self.bytes).ok();
            }
            Some(story) => {
                tell("heard", story);
                ws.close(Some(4000), "see you").ok();
            }
            None => {
                let same = if message.data() == self.bytes { "all the same" } else { "different" };
                tell("heard", &format!("{} bytes, {same}", message.data().len()));
                tell("said", "tell me a story");
                ws.send("tell me a story").ok();
            }
        }
    }

    fn on_close(&mut self, _: &mut Context<'_>, _: ConnId, close: &CloseEvent) {
        let how = if close.clean { "clean" } else { "not clean" };
        tell("closed", &format!("{} {}, {how}", close.code, close.reason));
    }
}

struct Quiet;

impl Handler for Quiet {}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, wss, ws, ca] = arguments.as_slice() else {
        return Err("usage: demo-client WSS_URL WS_URL CA_FILE".into());
    };
    let tls = ClientTls::builder().ca_file(Path::new(ca))?.build()?;
    let options = ClientOptions::new(&format!("{wss}/rust"))?.protocol("demo.v1").tls(tls);
    let bytes = (0..=250).cycle().take(SIZE).collect();
    Client::from(options).run(Talk { bytes })?;

    match tightwire::connect(&format!("{ws}/members"))?.run(Quiet) {
        Ok(_) => tell("open", "although this was to be refused"),
        Err(error) => tell("refused", &error.to_string()),
    }
    Ok(())
}

fn tell(what: &str, detail: &str) {
    let _ = writeln!(std::io::stdout(), "{what:<8} {detail}");
}
