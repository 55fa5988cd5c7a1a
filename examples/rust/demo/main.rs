//! The demonstration of `make demo`: one server, and a client in each language that talks to it.
//!
//! Called as `demo LANGUAGE=COMMAND…`; each command is run with the `wss` URL, the `ws` URL and the
//! file of the certificate authority behind it, and has to print what `script` expects.

mod certificates;
mod script;
mod server;

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitCode, Stdio};

use certificates::Certificates;
use server::DemoServer;

fn main() -> ExitCode {
    let clients: Vec<String> = std::env::args().skip(1).collect();
    match run(&clients) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(clients: &[String]) -> Result<bool, Box<dyn Error>> {
    let certificates = Certificates::new()?;
    say("setup", "made a throw-away certificate authority and a certificate for localhost")?;
    let server = DemoServer::start(&certificates)?;
    say("server", &format!("listens on {} and {} (Rust)", server.wss_url(), server.ws_url()))?;
    let mut same = true;
    for client in clients {
        let (language, command) = client.split_once('=').ok_or("use LANGUAGE=COMMAND")?;
        same &= talk(language, command, &server, &certificates)?;
    }
    server.stop()?;
    say("server", "closed")?;
    if same {
        say("demo", &format!("{} clients, every step as it should be", clients.len()))?;
    }
    Ok(same)
}

/// Runs one client and shows both sides of the conversation.
fn talk(
    language: &str,
    command: &str,
    server: &DemoServer,
    certificates: &Certificates,
) -> Result<bool, Box<dyn Error>> {
    say("", "")?;
    let mut words = command.split(' ');
    let mut child = Command::new(words.next().unwrap_or_default())
        .args(words)
        .arg(server.wss_url())
        .arg(server.ws_url())
        .arg(certificates.ca_file())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start the {language} client ({command}): {error}"))?;
    let mut heard = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            say(language, &line)?;
            heard.push(line);
        }
    }
    let status = child.wait()?;
    let mut same = script::compare(language, "client", script::CLIENT, &heard);
    let noted = server.notes();
    for note in &noted {
        say("server", note)?;
    }
    same &= script::compare(language, "server", script::SERVER, &noted);
    if !status.success() {
        say(language, &format!("ended with {status}"))?;
        same = false;
    }
    Ok(same)
}

fn say(who: &str, what: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{who:>16}  {what}")
}
