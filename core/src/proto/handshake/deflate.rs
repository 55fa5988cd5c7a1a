//! What the two sides agree on about permessage-deflate (RFC 7692 sections 5 and 7.1).

use std::fmt;

use super::extension::{Extension, Param};
use crate::config::{Deflate, DeflateMode};
use crate::proto::deflate::{Agreed, Direction};
use crate::proto::frame::Role;

const NAME: &str = "permessage-deflate";
const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";
/// The largest window, which is meant where none is named.
const MAX_BITS: u8 = 15;

/// The parameters of one offer or answer, each of them legal in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Params {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// `Some(None)`: without a value.
    client_bits: Option<Option<u8>>,
}

/// Why an answer to our offer does not open the connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeflateError {
    /// A parameter that RFC 7692 does not know, or not with this value, or not twice.
    Parameter(String),
    /// The answer lacks `server_no_context_takeover`, which we asked for.
    Takeover,
}

impl fmt::Display for DeflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(param) => {
                write!(
                    f,
                    "the server answered permessage-deflate with {param:?}, which is not legal there"
                )
            }
            Self::Takeover => {
                f.write_str("the server ignored server_no_context_takeover (option: deflate mode)")
            }
        }
    }
}

/// The client's offers as the value of `Sec-WebSocket-Extensions`; `None` without compression.
pub(super) fn offers(deflate: &Deflate) -> Option<String> {
    let mode = deflate.mode_for(Role::Client)?;
    let plain = format!("{NAME}; {CLIENT_BITS}");
    let limit = deflate.peer_limit();
    Some(match mode {
        DeflateMode::Shared => format!("{plain}; {SERVER_NO_TAKEOVER}; {CLIENT_NO_TAKEOVER}"),
        // Some servers know no `server_max_window_bits`, and refuse what they do not know.
        _ if limit < MAX_BITS => format!("{plain}; {SERVER_BITS}={limit}, {plain}"),
        _ => plain,
    })
}

/// Holds the server's answer against our offers.
pub(super) fn judge(answer: &Extension<'_>, deflate: &Deflate) -> Result<Agreed, DeflateError> {
    let params = Params::read(answer, Role::Client).map_err(DeflateError::Parameter)?;
    let shared = deflate.mode_for(Role::Client) == Some(DeflateMode::Shared);
    if shared && !params.server_no_takeover {
        return Err(DeflateError::Takeover);
    }
    let own_bits = params.client_bits.flatten().unwrap_or(MAX_BITS);
    Ok(Agreed {
        own: Direction {
            takeover: !params.client_no_takeover && !shared,
            window_bits: own_bits.min(deflate.window_bits),
        },
        peer: Direction {
            takeover: !params.server_no_takeover,
            window_bits: params.server_bits.unwrap_or(MAX_BITS),
        },
    })
}

/// The server's answer to the first offer that it can honour; `None` if there is no such offer.
pub(super) fn respond(offered: &[Extension<'_>], deflate: &Deflate) -> Option<(Agreed, String)> {
    let mode = deflate.mode_for(Role::Server)?;
    let ours = |offer: &&Extension<'_>| offer.name.eq_ignore_ascii_case(NAME);
    let params = offered.iter().filter(ours).find_map(|o| Params::read(o, Role::Server).ok())?;
    let shared = mode == DeflateMode::Shared;
    let client_bits = params.client_bits.map(|bits| bits.unwrap_or(MAX_BITS));
    let limit = deflate.peer_limit();
    let answer = Params {
        server_no_takeover: params.server_no_takeover || shared,
        client_no_takeover: params.client_no_takeover || shared,
        server_bits: params.server_bits.map(|bits| bits.min(deflate.window_bits)),
        // Only who offers to keep to a window may be asked to (7.1.2.2).
        client_bits: client_bits.map(|bits| bits.min(limit)).filter(|b| *b < MAX_BITS).map(Some),
    };
    let agreed = Agreed {
        own: Direction {
            takeover: !answer.server_no_takeover,
            window_bits: params.server_bits.unwrap_or(MAX_BITS).min(deflate.window_bits),
        },
        peer: Direction {
            takeover: !answer.client_no_takeover,
            window_bits: answer.client_bits.flatten().unwrap_or(MAX_BITS),
        },
    };
    Some((agreed, answer.to_string()))
}

/// An answer in the form in which `extensions` shows it.
pub(super) fn normalised(answer: &Extension<'_>) -> String {
    Params::read(answer, Role::Client).map(|params| params.to_string()).unwrap_or_default()
}

/// Whether this is the extension of this module.
pub(super) fn is_deflate(extension: &Extension<'_>) -> bool {
    extension.name.eq_ignore_ascii_case(NAME)
}

impl Params {
    /// Reads the parameters that the peer of `ours` sent. The error is the first one that is unknown,
    /// repeated, or has a value that it must not have there (7.1).
    fn read(extension: &Extension<'_>, ours: Role) -> Result<Self, String> {
        let mut params = Self::default();
        for param in &extension.params {
            if !params.set(param, ours) {
                return Err(match &param.value {
                    Some(value) => format!("{}={value}", param.name),
                    None => param.name.to_owned(),
                });
            }
        }
        Ok(params)
    }

    fn set(&mut self, param: &Param<'_>, ours: Role) -> bool {
        let flag = |flag: &mut bool| !std::mem::replace(flag, true) && param.value.is_none();
        let bits = param.value.as_deref().and_then(window_bits);
        match param.name {
            SERVER_NO_TAKEOVER => flag(&mut self.server_no_takeover),
            CLIENT_NO_TAKEOVER => flag(&mut self.client_no_takeover),
            SERVER_BITS => {
                bits.is_some() && std::mem::replace(&mut self.server_bits, bits).is_none()
            }
            CLIENT_BITS => {
                // Without a value in an offer only (7.1.2.2).
                let legal = bits.is_some() || param.value.is_none() && ours == Role::Server;
                legal && self.client_bits.replace(bits).is_none()
            }
            _ => false,
        }
    }
}

/// 8 to 15, in decimal and without leading zeros (7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    let bits = value.parse().ok().filter(|bits| (8..=15).contains(bits))?;
    value.starts_with(|first: char| matches!(first, '1'..='9')).then_some(bits)
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_takeover {
            write!(f, "; {SERVER_NO_TAKEOVER}")?;
        }
        if self.client_no_takeover {
            write!(f, "; {CLIENT_NO_TAKEOVER}")?;
        }
        if let Some(bits) = self.server_bits {
            write!(f, "; {SERVER_BITS}={bits}")?;
        }
        if let Some(Some(bits)) = self.client_bits {
            write!(f, "; {CLIENT_BITS}={bits}")?;
        }
        Ok(())
    }
}
