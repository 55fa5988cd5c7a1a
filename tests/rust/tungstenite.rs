//! Both roles against another implementation, the crate `tungstenite`.

use std::net::TcpStream;

use tightwire::ClientOptions;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Error, Message, WebSocket};

use crate::support::{self, Log, Peer, Script, World, listen, options, pattern};

const SIZES: [usize; 8] = [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 3 << 20];

fn connect(server: &support::Server) -> WebSocket<TcpStream> {
    tungstenite::client(server.url(), server.tcp().stream).unwrap().0
}

/// The closing handshake, up to the end of the stream.
fn finish(mut socket: WebSocket<TcpStream>) {
    loop {
        match socket.read() {
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn its_client_talks_to_our_server() {
    let world = World::new();
    let server = world.echo();
    let mut socket = connect(&server);
    for size in SIZES {
        let message = Message::binary(pattern(size));
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message, "{size} bytes came back changed");
    }
    socket.send(Message::text("grüße")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("grüße"));
    socket.send(Message::Ping("hm".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("hm".into()));
    let frame = CloseFrame { code: CloseCode::Library(4001), reason: "bye".into() };
    socket.close(Some(frame)).unwrap();
    finish(socket);
    let close = server.log.closed();
    assert_eq!((close.code, close.reason.as_str(), close.clean), (4001, "bye", true));
}

#[test]
fn its_fragments_become_one_message() {
    let world = World::new();
    let server = world.echo();
    let mut socket = connect(&server);
    let payload = pattern(10_000);
    let last = payload.len() / 1_000 - 1;
    for (number, part) in payload.chunks(1_000).enumerate() {
        let data = if number == 0 { Data::Binary } else { Data::Continue };
        let frame = Frame::message(part.to_vec(), OpCode::Data(data), number == last);
        socket.send(Message::Frame(frame)).unwrap();
    }
    assert_eq!(socket.read().unwrap(), Message::binary(payload));
    socket.close(None).unwrap();
    finish(socket);
    let close = server.log.closed();
    assert_eq!((close.code, close.clean), (1005, true));
}

#[test]
fn our_server_closes_its_client() {
    let world = World::new();
    let script = Script::default().on_message(|ws, _| ws.close(Some(1001), "going").unwrap());
    let server = world.serve(script);
    let mut socket = connect(&server);
    socket.send(Message::text("go")).unwrap();
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no Close") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "going"));
    finish(socket);
    assert!(server.log.closed().clean);
}

#[test]
fn our_client_talks_to_its_server() {
    let world = World::new();
    let (listener, port) = listen();
    let log = Log::default();
    let script = Script::new(&log)
        .on_open(|ws, _| {
            for size in SIZES {
                ws.send(&pattern(size)).unwrap();
            }
            ws.send("grüße").unwrap();
            ws.ping(b"hm").unwrap();
        })
        .on_pong(|ws, _| ws.close(Some(4002), "enough").unwrap());
    let options = ClientOptions::new(&format!("ws://127.0.0.1:{port}/chat?x=1")).unwrap();
    world.dial_with(options.header("X-Token", "abc").protocol("mirror"), script);
    let stream = Peer::accept(&listener).stream;
    let mut socket = accept(stream);
    loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => {
                socket.send(message).unwrap();
            }
            Ok(_) => {}
            Err(Error::ConnectionClosed) => break,
            Err(error) => panic!("{error}"),
        }
    }
    drop(socket);
    let close = log.closed();
    assert_eq!((close.code, close.reason.as_str(), close.clean), (4002, "enough", true));
    let mut briefs = log.briefs();
    briefs.retain(|brief| brief != "drain");
    let echoes: Vec<_> = SIZES.iter().map(|size| format!("binary of {size}")).collect();
    assert_eq!(briefs[1..=SIZES.len()], echoes);
    assert_eq!(log.texts(), ["grüße"]);
}

#[expect(clippy::result_large_err, reason = "the signature is theirs")]
fn accept(stream: TcpStream) -> WebSocket<TcpStream> {
    use tungstenite::handshake::server::{ErrorResponse, Request, Response};
    let check = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        assert_eq!(request.uri().to_string(), "/chat?x=1");
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-token"), "abc");
        assert_eq!(header("sec-websocket-protocol"), "mirror");
        let chosen = "mirror".parse().unwrap();
        response.headers_mut().insert("Sec-WebSocket-Protocol", chosen);
        Ok(response)
    };
    tungstenite::accept_hdr(stream, check).unwrap()
}

#[test]
fn its_client_learns_of_our_refusal() {
    let world = World::new();
    let server = world.serve_with(
        options(),
        Script::default().on_request(|_, _, reply| reply.refuse(401, "who?")),
    );
    let error = tungstenite::client(server.url(), server.tcp().stream).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("401"), "{text}");
}
