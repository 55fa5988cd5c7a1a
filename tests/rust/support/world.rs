//! A loop in a thread of its own, and the logs of what goes on in it.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tightwire::{
    ClientOptions, ConnId, Context, EventLoop, LoopHandle, LoopOptions, Remote, ServerId,
    ServerOptions,
};

use super::log::Log;
use super::script::Script;
use super::{PATIENCE, PING, PONG, Peer};

/// A loop that runs in a thread until it is dropped; then every log is checked.
pub(crate) struct World {
    handle: LoopHandle,
    thread: Option<JoinHandle<()>>,
    logs: Mutex<Vec<Log>>,
}

/// A server in a world.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) id: ServerId,
    pub(crate) port: u16,
    pub(crate) log: Log,
}

/// A server's options for a port that the system chooses.
pub(crate) fn options() -> ServerOptions {
    ServerOptions::new("127.0.0.1:0").expect("an address")
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(LoopOptions::default())
    }

    pub(crate) fn with(options: LoopOptions) -> Self {
        let mut event_loop = EventLoop::with_options(options).expect("a loop");
        let handle = event_loop.handle();
        let thread = std::thread::spawn(move || {
            event_loop.run().expect("the poller works");
            event_loop.shutdown(Duration::from_millis(200)).expect("the poller works");
            assert_eq!(event_loop.connections(), 0, "connections survive the shutdown");
        });
        Self { handle, thread: Some(thread), logs: Mutex::default() }
    }

    pub(crate) fn handle(&self) -> LoopHandle {
        self.handle.clone()
    }

    /// Calls `job` on the loop's thread and waits for its answer.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Context<'_>) -> T + Send + 'static,
    ) -> T {
        let (tx, rx) = mpsc::channel();
        let posted = self.handle.post(Box::new(move |context| {
            // The test may have failed meanwhile.
            let _ = tx.send(job(context));
        }));
        assert!(posted, "the loop is gone");
        rx.recv_timeout(PATIENCE).expect("the loop answers")
    }

    fn keep(&self, log: &Log) {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).push(log.clone());
    }

    /// A server on a port that the system chooses.
    pub(crate) fn serve(&self, script: Script) -> Server {
        self.serve_with(options(), script)
    }

    pub(crate) fn serve_with(&self, options: ServerOptions, script: Script) -> Server {
        let log = script.log.clone();
        self.keep(&log);
        let (id, port) = self.call(move |context| {
            let id = context.listen(&options, Box::new(script)).expect("a listening socket");
            (id, context.server_port(id).expect("a port"))
        });
        Server { id, port, log }
    }

    /// A server that echoes.
    pub(crate) fn echo(&self) -> Server {
        self.serve(Script::echo(&Log::default()))
    }

    /// A client for this URL.
    pub(crate) fn dial(&self, url: &str, script: Script) -> ConnId {
        self.dial_with(ClientOptions::new(url).expect("a URL"), script)
    }

    pub(crate) fn dial_with(&self, options: ClientOptions, script: Script) -> ConnId {
        self.keep(&script.log);
        self.call(move |context| {
            context.connect(&options, Box::new(script)).expect("legal options")
        })
    }

    /// A client that is connected to this server, and its log.
    pub(crate) fn client(&self, server: &Server, script: Script) -> Remote {
        let log = script.log.clone();
        let id = self.dial(&server.url(), script);
        log.opened();
        self.handle.remote(id).expect("an open connection")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.handle.stop();
        let Some(thread) = self.thread.take() else { return };
        let joined = thread.join();
        if !std::thread::panicking() {
            joined.expect("the loop's thread did not panic");
            for log in self.logs.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                log.check();
            }
        }
    }
}

impl Server {
    /// It takes a new client, and answers its ping.
    pub(crate) fn still_answers(&self) {
        let mut peer = self.peer();
        peer.send(PING, b"alive?");
        peer.expect(PONG, b"alive?");
        peer.close(1000, "");
        peer.expect_end();
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/", self.port)
    }

    /// A TCP connection to it.
    pub(crate) fn tcp(&self) -> Peer {
        Peer::connect(self.port)
    }

    /// A client, by hand, whose opening handshake is done.
    pub(crate) fn peer(&self) -> Peer {
        let mut peer = self.tcp();
        peer.upgrade();
        peer
    }
}
