//! Keyword arguments, checked and put into the core's terms.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyMapping, PyString};
use tightwire::proto::handshake::{ClientHandshake, ClientRequest};
use tightwire::{Deflate, DeflateMode, Proxy, Tuning};

use crate::convert::text_of;
use crate::error::{raise, syntax};
use crate::tls::{client_choice, is_refused};

/// `tightwire.Limits`: `max_message`, `max_send_buffer`, `max_head`, `max_fields` and
/// `pending_handlers`.
pub(crate) type Limits = (usize, usize, usize, usize, u32);

/// The default of `Limits.pending_handlers`.
pub(crate) const PENDING_HANDLERS: u32 = 16;

/// Seconds of silence before a ping, and seconds to wait for anything after it.
pub(crate) type Heartbeat = (f64, f64);

/// `tightwire.Deflate`: mode, level, memory level, both windows and the threshold.
type DeflateTuple = (String, Option<i64>, i64, i64, Option<i64>, i64);

/// The times of a connection in seconds; `None` switches one off.
pub(crate) struct Times {
    pub(crate) timeout: Option<f64>,
    pub(crate) close_timeout: Option<f64>,
    pub(crate) linger: Option<f64>,
    pub(crate) write_timeout: Option<f64>,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) idle_timeout: Option<f64>,
}

/// Limits, times and compression of a connection.
pub(crate) fn tuning(
    times: &Times,
    limits: Option<Limits>,
    compression: Option<&Bound<'_, PyAny>>,
) -> PyResult<Tuning> {
    let mut tuning = Tuning {
        deflate: deflate(compression)?,
        open_timeout: duration("timeout", times.timeout)?,
        close_timeout: duration("close_timeout", times.close_timeout)?,
        linger: duration("linger", times.linger)?,
        write_timeout: duration("write_timeout", times.write_timeout)?,
        ping_interval: duration("heartbeat", times.heartbeat.map(|(interval, _)| interval))?,
        ping_timeout: duration("heartbeat", times.heartbeat.map(|(_, timeout)| timeout))?,
        idle_timeout: duration("idle_timeout", times.idle_timeout)?,
        ..Tuning::default()
    };
    if let Some((max_message, max_send_buffer, max_head, max_fields, _)) = limits {
        tuning = Tuning { max_message, max_send_buffer, max_head, max_fields, ..tuning };
    }
    Ok(tuning)
}

/// A proxy's URL, `Proxy(url, tls)`, None or True for what the environment says, or False for none.
pub(crate) fn proxy(
    py: Python<'_>,
    url: &str,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<Proxy>> {
    let legal = |made: Result<Proxy, tightwire::Error>| made.map_err(|error| raise(py, &error));
    let Some(value) = value else {
        return Proxy::from_env(url).map_err(|error| raise(py, &error));
    };
    if let Ok(wanted) = value.cast::<PyBool>() {
        let from_env = wanted.is_true().then(|| Proxy::from_env(url)).transpose();
        return from_env.map(Option::flatten).map_err(|error| raise(py, &error));
    }
    if let Ok(url) = value.cast::<PyString>() {
        return legal(Proxy::new(&text_of(url)?)).map(Some);
    }
    let Ok((url, tls)) = value.extract::<(String, Option<Bound<'_, PyAny>>)>() else {
        let text = "proxy: str, Proxy(...), a bool or None expected";
        return Err(PyTypeError::new_err(text));
    };
    let proxy = legal(Proxy::new(&url))?;
    if is_refused(tls.as_ref()) && url.to_ascii_lowercase().starts_with("https:") {
        return Err(PyValueError::new_err("tls: False, but the proxy's URL is one over TLS"));
    }
    Ok(Some(match client_choice(tls.as_ref())? {
        Some(choice) => proxy.tls(choice.tls),
        None => proxy,
    }))
}

/// An address and a port, 0 for any.
pub(crate) fn local_address(value: Option<(String, u16)>) -> PyResult<Option<SocketAddr>> {
    let Some((host, port)) = value else { return Ok(None) };
    match host.parse() {
        Ok(ip) => Ok(Some(SocketAddr::new(ip, port))),
        Err(_) => {
            let text = format!("local_address: an IP address expected, not {host:?}");
            Err(PyValueError::new_err(text))
        }
    }
}

/// A descriptor of our own for a `socket.socket`.
pub(crate) fn descriptor(sock: &Bound<'_, PyAny>) -> PyResult<OwnedFd> {
    let fd: i32 = sock.call_method0("fileno")?.extract()?;
    if fd < 0 {
        return Err(PyValueError::new_err("sock: it is closed"));
    }
    // SAFETY: the socket object keeps it open during this call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(borrowed.try_clone_to_owned()?)
}

/// `Deflate(...)`; True is its defaults and None those of the role.
fn deflate(value: Option<&Bound<'_, PyAny>>) -> PyResult<Deflate> {
    let default = Deflate::default();
    let Some(value) = value else { return Ok(default) };
    if let Ok(wanted) = value.cast::<PyBool>() {
        let mode = if wanted.is_true() { DeflateMode::Dedicated } else { DeflateMode::Off };
        return Ok(Deflate { mode, ..default });
    }
    let Ok((mode, level, memory_level, window_bits, peer_window_bits, threshold)) =
        value.extract::<DeflateTuple>()
    else {
        let text = format!("compression: Deflate(...), a bool or None expected, not {value:?}");
        return Err(PyTypeError::new_err(text));
    };
    let mode = match mode.as_str() {
        "shared" => DeflateMode::Shared,
        "dedicated" => DeflateMode::Dedicated,
        "parked" => DeflateMode::Parked,
        _ => {
            let text = format!("mode: \"shared\", \"dedicated\" or \"parked\", not {mode:?}");
            return Err(PyValueError::new_err(text));
        }
    };
    let ranged = |name: &str, value: i64, range: RangeInclusive<i64>| {
        if range.contains(&value) {
            return Ok(u8::try_from(value)?);
        }
        let (first, last) = (range.start(), range.end());
        let text = format!("{name}: a number from {first} to {last} expected, not {value}");
        Err(PyValueError::new_err(text))
    };
    let threshold = usize::try_from(threshold).map_err(|_| {
        let text = format!("threshold: a number of bytes expected, not {threshold}");
        PyValueError::new_err(text)
    })?;
    Ok(Deflate {
        mode,
        level: level.map(|level| ranged("level", level, 1..=9)).transpose()?,
        memory_level: ranged("memory_level", memory_level, 1..=9)?,
        window_bits: ranged("window_bits", window_bits, 9..=15)?,
        peer_window_bits: peer_window_bits
            .map(|bits| ranged("peer_window_bits", bits, 9..=15))
            .transpose()?,
        threshold,
    })
}

pub(crate) fn duration(argument: &str, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    let Some(seconds) = seconds else { return Ok(None) };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(Some(duration)),
        _ => {
            let text = format!("{argument}: a positive number of seconds expected, not {seconds}");
            Err(PyValueError::new_err(text))
        }
    }
}

/// A name, or names in the order of preference.
pub(crate) fn names(argument: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    if let Ok(name) = value.cast::<PyString>() {
        return Ok(vec![text_of(name)?.into_owned()]);
    }
    let wrong = |got: &Bound<'_, PyAny>| {
        let class = got.get_type().qualname().map_or_else(|_| "?".into(), |name| name.to_string());
        PyTypeError::new_err(format!("{argument}: str or a sequence of str expected, not {class}"))
    };
    if value.is_instance_of::<PyBytes>() {
        return Err(wrong(value));
    }
    let names = value.try_iter().map_err(|_| wrong(value))?;
    names
        .map(|name| {
            let name = name?;
            let name = name.cast::<PyString>().map_err(|_| wrong(&name))?;
            Ok(text_of(name)?.into_owned())
        })
        .collect()
}

/// The subprotocols of a client; one that repeats or is no token is a `SyntaxError`.
pub(crate) fn protocols(py: Python<'_>, value: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
    let protocols = names("protocols", value)?;
    // A request with nothing but the subprotocols tells whether they are legal.
    let request = ClientRequest {
        host: "h",
        target: "/",
        protocols: &protocols,
        origin: None,
        headers: &[],
        key: [0; 16],
    };
    match ClientHandshake::start(&request, &Tuning::default(), &mut Vec::new()) {
        Ok(_) => Ok(protocols),
        Err(error) => Err(syntax(py, format!("protocols: {error}"))),
    }
}

/// A mapping or an iterable of pairs; a mapping's value may be a list of values.
pub(crate) fn headers(value: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<(String, String)>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let wrong = || {
        PyTypeError::new_err("headers: a mapping or an iterable of pairs, both of str, expected")
    };
    let items = match value.cast::<PyMapping>() {
        Ok(mapping) => mapping.items()?.into_any(),
        Err(_) if value.is_instance_of::<PyString>() => return Err(wrong()),
        Err(_) => value.clone(),
    };
    let mut headers = Vec::new();
    for item in items.try_iter().map_err(|_| wrong())? {
        let (name, value): (String, Bound<'_, PyAny>) = item?.extract().map_err(|_| wrong())?;
        if let Ok(value) = value.extract() {
            headers.push((name, value));
            continue;
        }
        let values: Vec<String> = value.extract().map_err(|_| wrong())?;
        headers.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    Ok(headers)
}
