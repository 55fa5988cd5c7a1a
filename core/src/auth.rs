//! Who a client says that it is.

use std::fmt;

use crate::error::{Error, ErrorCode, Phase};
use crate::net::login::{Asked, Credentials};
use crate::proto::handshake::HttpReply;

/// How a client logs in to a server, by the field `Authorization` of its request.
///
/// Nothing of it is ever shown in an error, in a log or by `Debug`. A redirect to another origin
/// leaves it behind.
///
/// ```
/// # fn main() -> Result<(), tightwire::Error> {
/// use tightwire::{Auth, ClientOptions};
/// let options = ClientOptions::new("wss://example.com/")?.auth(Auth::bearer("abc"));
/// # let _ = options;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Auth(Scheme);

#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    Basic(Credentials),
    Bearer(String),
    Digest(Credentials),
}

impl Auth {
    /// User and password with the first request (RFC 7617). Over `ws://` everyone on the way can
    /// read them. A URL with user and password does the same.
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Scheme::Basic(Credentials { user: user.into(), password: password.into() }))
    }

    /// A token with the first request (RFC 6750).
    pub fn bearer(token: impl Into<String>) -> Self {
        Self(Scheme::Bearer(token.into()))
    }

    /// A proof of the password, which is not itself sent, for a server that asks for one with 401
    /// (RFC 7616): a second request follows the first, on a new connection. A server that asks for
    /// something else gets nothing, and its 401 is the error. Needs the feature `digest`, which is there
    /// by default.
    pub fn digest(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Scheme::Digest(Credentials { user: user.into(), password: password.into() }))
    }

    /// Says what cannot be sent.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let cause = match &self.0 {
            Scheme::Digest(_) if cfg!(not(feature = "digest")) => {
                let cause = "auth: Digest needs the feature `digest`, which this build has not";
                return Err(Error::new(Phase::Argument, ErrorCode::Unsupported, cause));
            }
            Scheme::Basic(Credentials { user, .. }) if user.contains(':') => {
                "auth: a user with a colon cannot log in by Basic (RFC 7617 section 2)"
            }
            Scheme::Bearer(token) if token.is_empty() || !token.bytes().all(is_of_token) => {
                "auth: a token has letters, digits and -._~+/= only (RFC 6750 section 2.1)"
            }
            _ => return Ok(()),
        };
        Err(Error::argument(cause))
    }

    /// The value of `Authorization` for the first request.
    pub(crate) fn at_once(&self) -> Option<String> {
        match &self.0 {
            Scheme::Basic(credentials) => Some(credentials.basic()),
            Scheme::Bearer(token) => Some(format!("Bearer {token}")),
            Scheme::Digest(_) => None,
        }
    }

    pub(crate) fn waits_for_a_challenge(&self) -> bool {
        matches!(self.0, Scheme::Digest(_))
    }

    /// The value of `Authorization` that answers the challenges of a server, if it can be answered.
    pub(crate) fn answer(
        &self,
        reply: &HttpReply,
        resource: &str,
        nonce: &[u8; 16],
    ) -> Option<String> {
        let Scheme::Digest(credentials) = &self.0 else { return None };
        let offered: Vec<_> = reply.headers.get_all("www-authenticate").collect();
        // A challenge that makes no sense leaves the 401 as the error.
        credentials.digest(&offered, Asked { method: "GET", uri: resource, nonce }).ok().flatten()
    }
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Scheme::Basic(_) => "Auth::basic(..)",
            Scheme::Bearer(_) => "Auth::bearer(..)",
            Scheme::Digest(_) => "Auth::digest(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_at_once_is_sent_at_once() {
        let basic = Auth::basic("Aladdin", "open sesame");
        assert_eq!(basic.at_once().as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(Auth::bearer("a.b-c==").at_once().as_deref(), Some("Bearer a.b-c=="));
        assert_eq!(Auth::digest("me", "secret").at_once(), None);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_not_shown() {
        for auth in [Auth::basic("a:b", "hush"), Auth::bearer("hush hush"), Auth::bearer("")] {
            let text = auth.check().unwrap_err().to_string();
            assert!(text.starts_with("argument: auth: "), "{text}");
            assert!(!format!("{text}{auth:?}").contains("hush"), "{text}");
        }
        assert_eq!(Auth::digest("a:b", "").check().is_ok(), cfg!(feature = "digest"));
    }
}
