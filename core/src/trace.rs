//! Records through the `log` facade, for those who build with the feature of that name.

/// Records what an operator should know of.
macro_rules! warning {
    ($($text:tt)*) => {{
        #[cfg(feature = "log")]
        log::warn!(target: "tightwire", $($text)*);
        #[cfg(not(feature = "log"))]
        let _ = format_args!($($text)*);
    }};
}

pub(crate) use warning;
