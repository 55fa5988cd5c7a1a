//! Names to addresses, on helper threads, by the system's own resolver.
//!
//! `getaddrinfo` blocks, and nothing else honours the system's configuration to the letter. So up
//! to four threads named `tw-dns` call it. They are started when a name comes and none is idle, and
//! they end after some idle seconds, or when the [`Resolver`] is gone.
//!
//! The threads inherit the signal mask of the thread that starts them, unless the application sees to that
//! ([`ThreadStart`]).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem, thread};

const MAX_THREADS: usize = 4;
const IDLE: Duration = Duration::from_secs(5);
/// As threads of Rust have by default, which would ask the environment for another one.
const STACK: usize = 2 << 20;

/// What to do with the answer. It runs on a helper thread, or within [`Resolver::resolve`].
pub(crate) type Reply = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

/// Calls its argument, which starts a thread, with whatever the thread is to inherit in place.
pub type ThreadStart = fn(&mut dyn FnMut());

type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Resolves names for one event loop.
///
/// When it is dropped, names that wait for a thread are forgotten without a reply. One that the
/// system is looking up is still replied to.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    pub(crate) thread_start: ThreadStart,
}

impl Resolver {
    /// Starts no thread yet.
    pub(crate) fn new() -> Self {
        Self::with_lookup(look_up)
    }

    fn with_lookup(lookup: Lookup) -> Self {
        let shared = Shared { lookup, work: Mutex::default(), wake: Condvar::new() };
        Self { shared: Arc::new(shared), thread_start: |start| start() }
    }

    /// Looks `host` up and calls `reply` once, with at least one address, in the order to try them.
    ///
    /// An IP address as `host` (IPv6 without brackets) is answered at once, on this thread. So is
    /// the failure to start a thread when there is none.
    pub(crate) fn resolve(&self, host: &str, port: u16, reply: Reply) {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return reply(Ok(vec![SocketAddr::new(ip, port)]));
        }
        let mut work = self.shared.lock();
        work.jobs.push_back(Job { host: host.to_owned(), port, reply });
        if work.jobs.len() <= work.idle || work.threads == MAX_THREADS {
            drop(work);
            self.shared.wake.notify_one();
            return;
        }
        work.threads += 1;
        drop(work);
        if let Err(error) = self.start_thread() {
            self.shared.thread_failed(&error);
        }
    }

    fn start_thread(&self) -> io::Result<()> {
        let mut started = Ok(());
        (self.thread_start)(&mut || {
            let shared = Arc::clone(&self.shared);
            let named = thread::Builder::new().name("tw-dns".to_owned()).stack_size(STACK);
            started = named.spawn(move || shared.serve()).map(drop);
        });
        started
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut work = self.shared.lock();
        work.closed = true;
        let forgotten = mem::take(&mut work.jobs);
        drop(work);
        // A reply may own anything; it is dropped without the lock.
        drop(forgotten);
        self.shared.wake.notify_all();
    }
}

struct Shared {
    lookup: Lookup,
    work: Mutex<Work>,
    wake: Condvar,
}

#[derive(Default)]
struct Work {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

struct Job {
    host: String,
    port: u16,
    reply: Reply,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a helper thread does.
    fn serve(&self) {
        while let Some(job) = self.next_job() {
            let Job { host, port, reply } = job;
            // A panic must not take a thread away from the count.
            let _ = catch_unwind(AssertUnwindSafe(|| reply((self.lookup)(&host, port))));
        }
    }

    /// Waits for a job. `None`: the thread is not needed any more, and not counted any more.
    fn next_job(&self) -> Option<Job> {
        let mut work = self.lock();
        loop {
            if let Some(job) = work.jobs.pop_front() {
                return Some(job);
            }
            if work.closed {
                work.threads -= 1;
                return None;
            }
            work.idle += 1;
            let woken = self.wake.wait_timeout(work, IDLE);
            let (guard, waited) = woken.unwrap_or_else(PoisonError::into_inner);
            work = guard;
            work.idle -= 1;
            if waited.timed_out() && work.jobs.is_empty() {
                work.threads -= 1;
                return None;
            }
        }
    }

    /// A thread could not be started. Others may do the work; if there are none, nobody will.
    fn thread_failed(&self, error: &io::Error) {
        let mut work = self.lock();
        work.threads -= 1;
        let stranded = if work.threads == 0 { mem::take(&mut work.jobs) } else { VecDeque::new() };
        drop(work);
        for job in stranded {
            (job.reply)(Err(io::Error::new(error.kind(), error.to_string())));
        }
    }
}

fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addrs = interleave((host, port).to_socket_addrs()?.collect());
    if addrs.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
    }
    Ok(addrs)
}

/// Alternates the families (RFC 8305 section 4). The first address stays first, so that the
/// system's preference (RFC 6724) decides which family begins.
pub(crate) fn interleave(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let total = addrs.len();
    let begins_with_v6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addrs.into_iter().partition(|addr| addr.is_ipv6() == begins_with_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(total);
    while ordered.len() < total {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    type Answer = io::Result<Vec<SocketAddr>>;

    fn ask(resolver: &Resolver, host: &str) -> Receiver<Answer> {
        let (tx, rx) = channel();
        resolver.resolve(host, 80, Box::new(move |answer| drop(tx.send(answer))));
        rx
    }

    fn threads(resolver: &Resolver) -> usize {
        resolver.shared.lock().threads
    }

    fn addrs(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_thread_is_started_inside_what_the_application_gave() {
        static STARTS: AtomicUsize = AtomicUsize::new(0);
        let mut resolver = Resolver::new();
        resolver.thread_start = |start| {
            STARTS.fetch_add(1, Ordering::AcqRel);
            start();
        };
        let (tx, rx) = channel();
        let reply = move |addrs: io::Result<Vec<SocketAddr>>| tx.send(addrs.is_ok()).unwrap();
        resolver.resolve("localhost", 1, Box::new(reply));
        assert_eq!(rx.recv_timeout(Duration::from_secs(20)), Ok(true));
        assert_eq!(STARTS.load(Ordering::Acquire), 1);
    }

    #[test]
    fn addresses_need_no_thread() {
        let resolver = Resolver::new();
        for (host, addr) in [("192.0.2.7", "192.0.2.7:80"), ("2001:db8::7", "[2001:db8::7]:80")] {
            let answer = ask(&resolver, host).try_recv().unwrap().unwrap();
            assert_eq!(answer, addrs(&[addr]));
        }
        assert_eq!(threads(&resolver), 0);
    }

    #[test]
    fn a_name_is_looked_up_by_the_system() {
        let resolver = Resolver::new();
        let answer = ask(&resolver, "localhost").recv().unwrap().unwrap();
        assert!(answer.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
        assert!(!answer.is_empty());
        // Names that no resolver can even be asked for.
        for host in ["a\0b", "a..b"] {
            assert!(ask(&resolver, host).recv().unwrap().is_err(), "{host:?}");
        }
    }

    #[test]
    fn there_are_never_more_than_four_threads() {
        static GATE: Mutex<()> = Mutex::new(());
        static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        fn slow(_: &str, port: u16) -> Answer {
            let now = AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1;
            MOST.fetch_max(now, Ordering::SeqCst);
            drop(GATE.lock().unwrap());
            AT_ONCE.fetch_sub(1, Ordering::SeqCst);
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        }
        let resolver = Resolver::with_lookup(slow);
        let gate = GATE.lock().unwrap();
        let answers: Vec<_> = (0..20).map(|_| ask(&resolver, "name")).collect();
        assert_eq!(threads(&resolver), MAX_THREADS);
        drop(gate);
        for answer in answers {
            assert!(answer.recv().unwrap().is_ok());
        }
        assert!(MOST.load(Ordering::SeqCst) <= MAX_THREADS);
    }

    #[test]
    fn an_idle_thread_is_used_again() {
        let resolver = Resolver::with_lookup(|_, port| Ok(vec![([127, 0, 0, 1], port).into()]));
        for _ in 0..50 {
            ask(&resolver, "name").recv().unwrap().unwrap();
            while resolver.shared.lock().idle == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(threads(&resolver), 1);
    }

    #[test]
    fn a_panic_costs_no_thread() {
        let resolver = Resolver::with_lookup(|_, _| panic!("lookup"));
        for _ in 0..10 {
            assert!(ask(&resolver, "name").recv().is_err(), "the reply is dropped");
        }
        assert!(threads(&resolver) <= MAX_THREADS);
    }

    #[test]
    fn threads_end_with_the_resolver() {
        let resolver = Resolver::with_lookup(|_, port| Ok(vec![([127, 0, 0, 1], port).into()]));
        ask(&resolver, "name").recv().unwrap().unwrap();
        let shared = Arc::clone(&resolver.shared);
        drop(resolver);
        while shared.lock().threads > 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn families_alternate_and_the_first_stays_first() {
        const V6: [&str; 3] = ["[::1]:1", "[::2]:1", "[::3]:1"];
        const V4: [&str; 3] = ["1.0.0.1:1", "1.0.0.2:1", "1.0.0.3:1"];
        for (given, ordered) in [
            (vec![], vec![]),
            (vec![V6[0], V6[1], V4[0]], vec![V6[0], V4[0], V6[1]]),
            (vec![V4[0], V6[0], V6[1], V6[2]], vec![V4[0], V6[0], V6[1], V6[2]]),
            (vec![V4[0], V4[1], V4[2]], vec![V4[0], V4[1], V4[2]]),
            (
                vec![V6[0], V6[1], V6[2], V4[0], V4[1], V4[2]],
                vec![V6[0], V4[0], V6[1], V4[1], V6[2], V4[2]],
            ),
        ] {
            assert_eq!(interleave(addrs(&given)), addrs(&ordered), "{given:?}");
        }
    }
}
