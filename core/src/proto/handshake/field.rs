//! Names, values and lists of header fields (RFC 9110 section 5), and who may set which.

use super::RequestError;
use crate::proto::head::Headers;

/// Whether `text` is a token: what names of fields and of subprotocols are made of
/// (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether `text` may be sent as the value of a field: visible ASCII, spaces and tabs.
pub(super) fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}

/// Whether `text` is visible ASCII without spaces, and not empty.
pub(super) fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether the handshake writes this field itself, or it would give the message a body.
pub(super) fn is_owned(name: &str) -> bool {
    const OWNED: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];
    const PREFIX: &str = "sec-websocket-";
    OWNED.iter().any(|owned| name.eq_ignore_ascii_case(owned))
        || name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Checks a field that the application wants to have sent.
pub(super) fn check(name: &str, value: &str) -> Result<(), RequestError> {
    if !is_token(name) {
        Err(RequestError::HeaderName(name.to_owned()))
    } else if is_owned(name) {
        Err(RequestError::HeaderOwned(name.to_owned()))
    } else if !is_value(value) {
        Err(RequestError::HeaderValue(name.to_owned()))
    } else {
        Ok(())
    }
}

/// The elements of a comma-separated list. Empty ones do not count (RFC 9110 section 5.6.1.2).
///
/// `str::trim` would also take U+0085 and other white space that HTTP does not have.
pub(super) fn elements(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(trim).filter(|element| !element.is_empty())
}

/// `value` without the optional white space around it (RFC 9110 section 5.6.3).
pub(super) fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// Whether the lists in all fields called `name` have the element `token`, in any case.
pub(super) fn contains_token(headers: &Headers, name: &str, token: &str) -> bool {
    headers.get_all(name).flat_map(elements).any(|element| element.eq_ignore_ascii_case(token))
}

/// The value of the field called `name` if there is exactly one, `Err` if there are several.
pub(super) fn single<'a>(headers: &'a Headers, name: &str) -> Result<Option<&'a str>, Repeated> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(trim)),
        (_, Some(_)) => Err(Repeated),
    }
}

/// A field that must come once came more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeated;

/// Appends one field line.
pub(super) fn write(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}
