//! What callbacks were told, in order, for other threads to wait for.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tightwire::{CloseEvent, ConnId, Error, MessageKind, Retry};

use super::PATIENCE;

/// One callback.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Request(String),
    Open { url: String, protocol: String },
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Drain,
    Reconnect(CloseEvent, Retry),
    Close(CloseEvent),
}

/// The callbacks of one client or server. Clones share the list.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Inner>);

#[derive(Default)]
struct Inner {
    events: Mutex<Vec<(ConnId, Event)>>,
    grown: Condvar,
}

impl Event {
    pub(crate) fn message(kind: MessageKind, data: &[u8]) -> Self {
        match kind {
            MessageKind::Text => {
                Self::Text(String::from_utf8(data.to_vec()).expect("received text is UTF-8"))
            }
            MessageKind::Binary => Self::Binary(data.to_vec()),
        }
    }

    /// The callback in one word, with its text or size.
    pub(crate) fn brief(&self) -> String {
        match self {
            Self::Request(target) => format!("request {target}"),
            Self::Open { .. } => "open".to_owned(),
            Self::Text(text) if text.len() < 40 => format!("text {text}"),
            Self::Text(text) => format!("text of {}", text.len()),
            Self::Binary(data) => format!("binary of {}", data.len()),
            Self::Ping(data) => format!("ping {}", String::from_utf8_lossy(data)),
            Self::Pong(data) => format!("pong {}", String::from_utf8_lossy(data)),
            Self::Drain => "drain".to_owned(),
            Self::Reconnect(close, retry) => format!("reconnect {} {}", close.code, retry.attempt),
            Self::Close(close) => format!("close {}", close.code),
        }
    }
}

impl Log {
    pub(crate) fn push(&self, id: ConnId, event: Event) {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).push((id, event));
        self.0.grown.notify_all();
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<(ConnId, Event)> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All events so far, each in one word.
    pub(crate) fn briefs(&self) -> Vec<String> {
        self.events().iter().map(|(_, event)| event.brief()).collect()
    }

    /// Waits until `find` finds something.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        mut find: impl FnMut(&[(ConnId, Event)]) -> Option<T>,
    ) -> T {
        let mut found = None;
        let events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        let (events, _) = self
            .0
            .grown
            .wait_timeout_while(events, PATIENCE, |events| {
                found = find(events);
                found.is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let briefs: Vec<_> = events.iter().map(|(_, event)| event.brief()).collect();
        drop(events);
        found.unwrap_or_else(|| panic!("waited in vain for: {what}; there was {briefs:?}"))
    }

    /// Waits for so many events of which `brief` is the word.
    pub(crate) fn wait_for(&self, brief: &str, count: usize) {
        self.wait(&format!("{count} times {brief:?}"), |events| {
            let seen = events.iter().filter(|(_, event)| event.brief() == brief).count();
            (seen >= count).then_some(())
        });
    }

    /// Waits for the first connection to open.
    pub(crate) fn opened(&self) -> ConnId {
        self.wait("open", |events| {
            let mut opens = events.iter().filter(|(_, event)| matches!(event, Event::Open { .. }));
            opens.next().map(|(id, _)| *id)
        })
    }

    /// Waits for `count` connections to be over.
    pub(crate) fn closes(&self, count: usize) -> Vec<CloseEvent> {
        self.wait("close", |events| {
            let closes: Vec<_> = events
                .iter()
                .filter_map(|(_, event)| match event {
                    Event::Close(close) => Some(close.clone()),
                    _ => None,
                })
                .collect();
            (closes.len() >= count).then_some(closes)
        })
    }

    /// Waits for a connection to be over.
    pub(crate) fn closed(&self) -> CloseEvent {
        self.closes(1).swap_remove(0)
    }

    /// Waits for a connection to be over that did not end well, and says why.
    pub(crate) fn failed(&self) -> Error {
        let close = self.closed();
        assert!(!close.clean, "{close:?}");
        assert_eq!((close.code, close.reason.as_str()), (1006, ""), "{close:?}");
        close.error.expect("an unclean close says why")
    }

    /// The texts of messages so far.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |(_, event)| match event {
            Event::Text(text) => Some(text),
            _ => None,
        };
        self.events().into_iter().filter_map(text).collect()
    }

    /// What must hold for every connection, whatever happened: open at most once and first, or once
    /// after each reconnect, close exactly once and last, an error only with an unclean close.
    pub(crate) fn check(&self) {
        #[derive(Default)]
        struct Life {
            open: bool,
            closed: bool,
        }
        let mut lives: HashMap<ConnId, Life> = HashMap::new();
        let briefs = self.briefs();
        for (id, event) in self.events() {
            if let Event::Request(_) = event {
                continue;
            }
            let life = lives.entry(id).or_default();
            assert!(!life.closed, "{event:?} after close: {briefs:?}");
            match event {
                Event::Open { .. } => {
                    assert!(!std::mem::replace(&mut life.open, true), "{briefs:?}");
                }
                Event::Close(close) => {
                    life.closed = true;
                    assert!(!close.clean || close.error.is_none(), "{close:?}");
                    assert!(!matches!(close.code, 1004 | 1015), "{close:?}");
                    assert!(close.code != 1006 || !close.clean, "{close:?}");
                }
                Event::Reconnect(..) => life.open = false,
                event => assert!(life.open, "{event:?} before open: {briefs:?}"),
            }
        }
        let unfinished = lives.values().filter(|life| !life.closed).count();
        assert_eq!(unfinished, 0, "connections without close: {briefs:?}");
    }
}
