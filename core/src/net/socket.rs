//! TCP sockets as this library wants them: non-blocking, closed on exec, without Nagle's delay.
//!
//! Sending goes through [`send`] only. It is the one place that writes to a socket, and it never
//! raises SIGPIPE: `write` and `writev` would kill a C program that did not ask to ignore it.

use std::io::{self, IoSlice, Read};
use std::net::{self, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// A connection that does not wait is under way.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
/// Most slices that one [`send`] hands to the system.
const MAX_SLICES: usize = 16;

/// Apple's systems have an option of the socket in place of the flag; mio sets it.
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;

/// What is set on the socket of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketOptions {
    /// The address, and the port if it is not 0, that the connection comes from.
    pub(crate) bind: Option<SocketAddr>,
    /// After this much silence the system probes whether the peer's is still there.
    pub(crate) keepalive: Option<Duration>,
}

impl SocketOptions {
    fn apply(&self, socket: &Socket) -> io::Result<()> {
        if let Some(idle) = self.keepalive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
        }
        Ok(())
    }
}

/// Starts to connect. Register the socket, and ask [`connect_result`] when it is writable.
pub(crate) fn connect(addr: SocketAddr, options: &SocketOptions) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    options.apply(&socket)?;
    if let Some(local) = options.bind {
        if local.is_ipv4() != addr.is_ipv4() {
            let cause = "bind_address is of the other address family";
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, cause));
        }
        socket.bind(&local.into())?;
    }
    start(&socket, &addr.into())?;
    Ok(TcpStream::from_std(socket.into()))
}

/// Connects to a Unix domain socket, which succeeds or fails at once.
///
/// The rest of this library neither knows nor cares that it is no TCP socket.
pub(crate) fn connect_unix(path: &Path) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(TcpStream::from_std(socket.into()))
}

/// Takes over a connected socket that somebody else made; theirs stays open.
pub(crate) fn adopt_connected(
    socket: &impl AsFd,
    options: &SocketOptions,
) -> io::Result<TcpStream> {
    let socket = Socket::from(socket.as_fd().try_clone_to_owned()?);
    socket.peer_addr()?;
    socket.set_nonblocking(true)?;
    if socket.domain()? != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
        options.apply(&socket)?;
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn start(socket: &Socket, addr: &SockAddr) -> io::Result<()> {
    match socket.connect(addr) {
        Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        done => done,
    }
}

/// Whether a socket of [`connect`] is connected by now. `Ok(false)`: wait on.
pub(crate) fn connect_result(socket: &TcpStream) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Listens on `addr`. The port may be 0; then the system chooses one.
///
/// The address can be taken again right after an earlier listener is gone (SO_REUSEADDR). Whether
/// `[::]` takes IPv4 too is left to the system.
pub(crate) fn bind(addr: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows the same option would let another program steal the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    adopt_listener(socket.into())
}

/// Takes over a connected socket that somebody else made.
#[cfg(test)]
pub(crate) fn adopt(socket: net::TcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    Ok(TcpStream::from_std(socket))
}

/// Takes over a listening socket that somebody else made.
pub(crate) fn adopt_listener(socket: net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket))
}

/// Makes the end of `socket` a reset: what is unsent is thrown away, the peer gets an error.
pub(crate) fn reset_on_drop(socket: &TcpStream) -> io::Result<()> {
    SockRef::from(socket).set_linger(Some(Duration::ZERO))
}

/// Gives `slices` to the system in one call and returns how many bytes it took.
///
/// Less than offered, or `WouldBlock`, means that the socket is full and will be reported writable
/// later. Only the first 16 slices that are not empty are offered.
pub(crate) fn send(socket: &TcpStream, slices: &[&[u8]]) -> io::Result<usize> {
    let mut vector = [IoSlice::new(&[]); MAX_SLICES];
    let filled = slices.iter().filter(|slice| !slice.is_empty());
    let mut count = 0;
    for (place, slice) in vector.iter_mut().zip(filled) {
        *place = IoSlice::new(slice);
        count += 1;
    }
    let vector = vector.get(..count).unwrap_or_default();
    if vector.is_empty() {
        return Ok(0);
    }
    loop {
        let sent = match vector {
            [only] => rustix::net::send(socket, only, SEND_FLAGS),
            many => sendmsg(socket, many, &mut SendAncillaryBuffer::default(), SEND_FLAGS),
        };
        match sent {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => return Ok(sent),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How many bytes [`send`] offers to the system of these slices.
pub(crate) fn offered(slices: &[&[u8]]) -> usize {
    let filled = slices.iter().filter(|slice| !slice.is_empty());
    filled.take(MAX_SLICES).map(|slice| slice.len()).sum()
}

/// Reads once into `buf`. 0 is the end of the stream, unless `buf` is empty.
pub(crate) fn receive(socket: &mut TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use mio::{Events, Interest, Poll, Token};

    use super::*;

    const LOCAL: &str = "127.0.0.1:0";

    /// Waits until the attempt is decided.
    fn decided(mut socket: TcpStream) -> io::Result<bool> {
        let mut poll = Poll::new().unwrap();
        poll.registry().register(&mut socket, Token(0), Interest::WRITABLE).unwrap();
        loop {
            match connect_result(&socket) {
                Ok(false) => poll.poll(&mut Events::with_capacity(1), None).unwrap(),
                decided => return decided,
            }
        }
    }

    #[test]
    fn a_connection_is_made_without_waiting() {
        let listener = bind(LOCAL.parse().unwrap(), 1).unwrap();
        let options = SocketOptions::default();
        let socket = connect(listener.local_addr().unwrap(), &options).unwrap();
        assert!(socket.nodelay().unwrap());
        assert!(decided(socket).unwrap());
    }

    #[test]
    fn a_refusal_is_told() {
        let listener = bind(LOCAL.parse().unwrap(), 1).unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(addr, &SocketOptions::default()).and_then(decided).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_address_in_use_is_refused_and_a_left_one_is_not() {
        let listener = bind(LOCAL.parse().unwrap(), 1).unwrap();
        let addr = listener.local_addr().unwrap();
        assert_eq!(bind(addr, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let client = net::TcpStream::connect(addr).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        // Our side ends first, so that it is left with TIME_WAIT.
        drop((accepted, listener));
        drop(client);
        bind(addr, 1).unwrap();
    }

    #[test]
    fn many_slices_leave_in_one_call() {
        let listener = net::TcpListener::bind(LOCAL).unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = adopt(client).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let slices: [&[u8]; 20] =
            std::array::from_fn(|at| if at % 2 == 0 { &b"ab"[..] } else { b"" });
        assert_eq!(offered(&slices), 20);
        assert_eq!(send(&client, &slices).unwrap(), 20);
        let slices = [&b"c"[..]; 20];
        assert_eq!(offered(&slices), 16);
        assert_eq!(send(&client, &slices).unwrap(), 16);
        assert_eq!(send(&client, &[b"", b""]).unwrap(), 0);
        drop(client);
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab".repeat(10) + &"c".repeat(16));
    }

    #[test]
    fn a_reset_is_an_error_for_the_peer() {
        let listener = net::TcpListener::bind(LOCAL).unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = adopt(client).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        reset_on_drop(&client).unwrap();
        drop(client);
        let error = peer.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
