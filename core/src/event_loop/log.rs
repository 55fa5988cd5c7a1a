//! Records for whoever operates the application: to a function of its own, and through the `log`
//! facade with the feature of that name.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Something stopped working.
    Error = 1,
    /// Something went wrong, and the loop goes on: a refused request, a panic in a callback.
    Warn = 2,
    /// A server begins or ends.
    Info = 3,
    /// A connection begins or ends.
    Debug = 4,
    /// Each message and control frame, without its payload.
    Trace = 5,
}

/// A function that takes records. It runs on the thread that drives the loop, amid its work.
pub type LogSink = Box<dyn FnMut(LogLevel, &str) + Send>;

/// Where the records of a loop go.
#[derive(Default)]
pub(crate) struct Log {
    most: Option<LogLevel>,
    sink: Option<LogSink>,
}

impl Log {
    pub(crate) fn new(most: LogLevel, sink: LogSink) -> Self {
        Self { most: Some(most), sink: Some(sink) }
    }

    /// Whether anybody wants records of this level.
    #[inline]
    pub(crate) fn wants(&self, level: LogLevel) -> bool {
        self.most.is_some_and(|most| level <= most) || facade::wants(level)
    }

    #[cold]
    pub(crate) fn write(&mut self, level: LogLevel, text: fmt::Arguments<'_>) {
        facade::write(level, text);
        if let (true, Some(sink)) = (self.most.is_some_and(|most| level <= most), &mut self.sink) {
            let text = text.to_string();
            // A panic of the application's is its own affair: the loop goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| sink(level, &text)));
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("most", &self.most).finish_non_exhaustive()
    }
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

/// Records something, if anybody wants to know.
macro_rules! record {
    ($log:expr, $level:ident, $($text:tt)*) => {
        if $log.wants($crate::event_loop::log::LogLevel::$level) {
            $log.write($crate::event_loop::log::LogLevel::$level, format_args!($($text)*));
        }
    };
}

pub(crate) use record;

#[cfg(feature = "log")]
mod facade {
    use super::LogLevel;

    fn level(level: LogLevel) -> log::Level {
        match level {
            LogLevel::Error => log::Level::Error,
            LogLevel::Warn => log::Level::Warn,
            LogLevel::Info => log::Level::Info,
            LogLevel::Debug => log::Level::Debug,
            LogLevel::Trace => log::Level::Trace,
        }
    }

    pub(super) fn wants(of: LogLevel) -> bool {
        level(of) <= log::max_level()
    }

    pub(super) fn write(of: LogLevel, text: std::fmt::Arguments<'_>) {
        log::log!(target: "tightwire", level(of), "{text}");
    }
}

#[cfg(not(feature = "log"))]
mod facade {
    pub(super) fn wants(_: super::LogLevel) -> bool {
        false
    }

    pub(super) fn write(_: super::LogLevel, _: std::fmt::Arguments<'_>) {}
}
