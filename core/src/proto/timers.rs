//! The few deadlines of one open connection.

use std::time::{Duration, Instant};

use crate::config::Tuning;

/// When something is due. Nothing here knows what that is.
#[derive(Debug)]
pub(super) struct Timers {
    /// When the peer was last heard, or pinged.
    heard: Instant,
    /// How long it may be silent from then on.
    patience: Option<Duration>,
    pinged: bool,
    paused: bool,
    /// When the peer's Close, or once `lingering` the end of its stream, is overdue.
    end: Option<Instant>,
    lingering: bool,
    stall: Option<Instant>,
    idle: Option<Instant>,
}

impl Timers {
    pub(super) fn new(now: Instant, tuning: &Tuning) -> Self {
        let mut timers = Self {
            heard: now,
            patience: tuning.ping_interval,
            pinged: false,
            paused: false,
            end: None,
            lingering: false,
            stall: None,
            idle: None,
        };
        timers.active(now, tuning);
        timers
    }

    /// The earliest of what is due; silence and idleness count on an open connection only.
    pub(super) fn deadline(&self, open: bool) -> Option<Instant> {
        let (silence, idle) = if open { (self.silence(), self.idleness()) } else { (None, None) };
        [silence, idle, self.end, self.stall].into_iter().flatten().min()
    }

    fn silence(&self) -> Option<Instant> {
        let patience = self.patience.filter(|_| !self.paused);
        patience.and_then(|patience| self.heard.checked_add(patience))
    }

    fn idleness(&self) -> Option<Instant> {
        self.idle.filter(|_| !self.paused)
    }

    /// Neither silence nor idleness is judged from now on.
    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Both count from `now` on.
    pub(super) fn resume(&mut self, now: Instant, tuning: &Tuning) {
        self.paused = false;
        self.heard(now, tuning);
        self.active(now, tuning);
    }

    /// A message came or was sent.
    pub(super) fn active(&mut self, now: Instant, tuning: &Tuning) {
        self.idle = tuning.idle_timeout.and_then(|timeout| now.checked_add(timeout));
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.idleness().is_some_and(|due| due <= now)
    }

    pub(super) fn heard(&mut self, now: Instant, tuning: &Tuning) {
        self.heard = now;
        if self.pinged {
            self.pinged = false;
            self.patience = tuning.ping_interval;
        }
    }

    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.silence().is_some_and(|due| due <= now)
    }

    pub(super) fn is_pinged(&self) -> bool {
        self.pinged
    }

    /// A ping was sent because of silence. Without a `ping_timeout` nobody waits for its answer.
    pub(super) fn pinged(&mut self, now: Instant, tuning: &Tuning) {
        self.heard = now;
        if tuning.ping_timeout.is_some() {
            self.patience = tuning.ping_timeout;
            self.pinged = true;
        }
    }

    pub(super) fn start_close(&mut self, now: Instant, tuning: &Tuning) {
        self.lingering = false;
        self.end = tuning.close_timeout.and_then(|timeout| now.checked_add(timeout));
    }

    pub(super) fn is_unanswered(&self, now: Instant) -> bool {
        !self.lingering && self.end.is_some_and(|due| due <= now)
    }

    /// The closing handshake is over; its deadline gives way to that of the stream.
    pub(super) fn start_linger(&mut self, now: Instant, tuning: &Tuning) {
        self.lingering = true;
        self.end = tuning.linger.and_then(|linger| now.checked_add(linger));
    }

    pub(super) fn is_lingered(&self, now: Instant) -> bool {
        self.lingering && self.end.is_some_and(|due| due <= now)
    }

    /// Output was taken at `now`; while more is `pending` the next progress is waited for.
    pub(super) fn wrote(&mut self, pending: bool, now: Instant, tuning: &Tuning) {
        self.stall = match tuning.write_timeout {
            Some(timeout) if pending => now.checked_add(timeout),
            _ => None,
        };
    }

    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.stall.is_some_and(|due| due <= now)
    }
}
