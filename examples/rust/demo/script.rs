//! What the conversation has to be, the same in every language.

use std::io::Write as _;

/// What a client prints. `…` stands for anything.
pub(crate) const CLIENT: &[&str] = &[
    "open     wss, subprotocol demo.v1",
    "said     Grüße, 世界! 👋",
    "heard    Grüße, 世界! 👋",
    "said     1048576 bytes",
    "heard    1048576 bytes, all the same",
    "said     tell me a story",
    "heard    Once upon a time, three fragments were one message.",
    "closed   4000 see you, clean",
    "refused  upgrade: …403…members only…",
];

/// What the server notes about a client.
pub(crate) const SERVER: &[&str] = &[
    "pinged the client: are you there?",
    "pong came back: are you there?",
    "echoed a text of 21 bytes",
    "echoed 1048576 bytes",
    "told a story in three fragments",
    "closed by the client: 4000 see you",
    "refused ws://…/members: members only",
];

/// Whether `lines` are as expected; prints where they differ. The server's notes are compared
/// without their order, since a pong may arrive before or after the first message.
pub(crate) fn compare(language: &str, side: &str, expected: &[&str], lines: &[String]) -> bool {
    let matched = |line: &String| expected.iter().any(|pattern| matches(pattern, line));
    let missing: Vec<_> = expected
        .iter()
        .filter(|pattern| !lines.iter().any(|line| matches(pattern, line)))
        .collect();
    let surplus: Vec<_> = lines.iter().filter(|line| !matched(line)).collect();
    let ordered = side == "server"
        || lines.len() == expected.len()
            && lines.iter().zip(expected).all(|(line, pattern)| matches(pattern, line));
    if missing.is_empty() && surplus.is_empty() && ordered {
        return true;
    }
    let mut out = std::io::stderr();
    let _ =
        writeln!(out, "DIFFERENT: {language}, {side}: missing {missing:?}, surplus {surplus:?}");
    false
}

/// Whether `line` is `pattern`, in which `…` stands for any text.
fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut open = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
        open = part.is_empty();
    }
    rest.is_empty() || open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_around_their_gaps() {
        assert!(matches("a…c", "abc") && matches("a…", "abc") && matches("abc", "abc"));
        assert!(!matches("a…c", "abd") && !matches("abc", "abcd") && !matches("b…", "abc"));
    }
}
