//! The list grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).

use std::borrow::Cow;

use super::field::{is_token, trim};
use crate::proto::head::Headers;

/// The field that both halves of the handshake use.
const FIELD: &str = "sec-websocket-extensions";

/// One extension of a list, with its parameters in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Extension<'a> {
    pub(in crate::proto) name: &'a str,
    pub(in crate::proto) params: Vec<Param<'a>>,
}

/// A parameter: a name, and a value if there was a `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Param<'a> {
    pub(in crate::proto) name: &'a str,
    /// Without the quotes, if it had any.
    pub(in crate::proto) value: Option<Cow<'a, str>>,
}

/// A list that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto) struct MalformedList;

/// All extensions in all fields of that name, in order (RFC 6455 section 9.1).
pub(in crate::proto) fn extensions(headers: &Headers) -> Result<Vec<Extension<'_>>, MalformedList> {
    let mut all = Vec::new();
    for value in headers.get_all(FIELD) {
        parse(value, &mut all)?;
    }
    Ok(all)
}

/// Appends the extensions of one field's value.
fn parse<'a>(value: &'a str, all: &mut Vec<Extension<'a>>) -> Result<(), MalformedList> {
    for element in split(value, b',')? {
        // Empty elements do not count (RFC 9110 section 5.6.1.2).
        if element.is_empty() {
            continue;
        }
        let mut parts = split(element, b';')?.into_iter();
        let name = parts.next().filter(|name| is_token(name)).ok_or(MalformedList)?;
        let params = parts.map(param).collect::<Result<_, _>>()?;
        all.push(Extension { name, params });
    }
    Ok(())
}

fn param(text: &str) -> Result<Param<'_>, MalformedList> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (trim(name), Some(unquote(trim(value))?)),
        None => (text, None),
    };
    if is_token(name) { Ok(Param { name, value }) } else { Err(MalformedList) }
}

/// A token, in quotes or not. What the quotes hold has to be a token, too.
fn unquote(value: &str) -> Result<Cow<'_, str>, MalformedList> {
    let Some(quoted) = value.strip_prefix('"') else {
        return if is_token(value) { Ok(Cow::Borrowed(value)) } else { Err(MalformedList) };
    };
    let quoted = quoted.strip_suffix('"').ok_or(MalformedList)?;
    let mut plain = String::with_capacity(quoted.len());
    let mut escaped = false;
    for character in quoted.chars() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Err(MalformedList),
            _ => {
                plain.push(character);
                escaped = false;
            }
        }
    }
    if !escaped && is_token(&plain) { Ok(Cow::Owned(plain)) } else { Err(MalformedList) }
}

/// The parts of `text` between separators, which do not count within quotes.
fn split(text: &str, separator: u8) -> Result<Vec<&str>, MalformedList> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                parts.push(trim(text.get(start..at).unwrap_or_default()));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(trim(text.get(start..).unwrap_or_default()));
    if quoted { Err(MalformedList) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(value: &str) -> Result<String, MalformedList> {
        let mut all = Vec::new();
        parse(value, &mut all)?;
        Ok(all
            .iter()
            .map(|extension| {
                let params = extension.params.iter().map(|param| match &param.value {
                    Some(value) => format!("{}={value}", param.name),
                    None => param.name.to_owned(),
                });
                [vec![extension.name.to_owned()], params.collect()].concat().join(";")
            })
            .collect::<Vec<_>>()
            .join(","))
    }

    #[test]
    fn lists_are_taken_apart() {
        for (value, parts) in [
            ("", ""),
            ("foo", "foo"),
            ("foo,bar", "foo,bar"),
            (" foo ; a ; b = 1 ,\tbar;c=\"2\" ", "foo;a;b=1,bar;c=2"),
            (",, foo ,,", "foo"),
            ("foo; a=\"1\\0\"", "foo;a=10"),
            ("foo;a;a;a=1", "foo;a;a;a=1"),
        ] {
            assert_eq!(list(value).as_deref(), Ok(parts), "{value:?}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for value in [
            "foo bar",
            "foo;",
            "foo;;a",
            ";a",
            "foo;a=",
            "foo;=1",
            "foo;a=\"1",
            "foo;a=1\"",
            "foo;a=\"1\\\"",
            "foo;a=\"1\"\"2\"",
            "foo;a=\"1,2\"",
            "foo;a=\"1 2\"",
            "foo;a=\"\"",
            "foo;a=1=2",
            "f\u{e9}o",
            "foo;a=\"\u{e9}\"",
        ] {
            assert_eq!(list(value), Err(MalformedList), "{value:?}");
        }
    }
}
