//! Logging in over HTTP: Basic (RFC 7617) and Digest (RFC 7616), to servers and proxies alike.

use std::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "digest"), expect(dead_code, reason = "what Digest proves"))]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// As it stands in the request line.
    pub(crate) uri: &'a str,
    /// Random, for the client's part of a Digest.
    pub(crate) nonce: &'a [u8; 16],
}

impl Credentials {
    /// The value of `Authorization` or `Proxy-Authorization` for Basic.
    pub(crate) fn basic(&self) -> String {
        let pair = format!("{}:{}", self.user, self.password);
        format!("Basic {}", Base64Display::new(pair.as_bytes(), &STANDARD))
    }

    /// The value that answers the first Digest challenge among those `offered`, which are the values
    /// of `WWW-Authenticate` or `Proxy-Authenticate`; `None` if there is none, or without the feature.
    ///
    /// # Errors
    ///
    /// A challenge that cannot be answered, for example of an unknown quality of protection.
    #[cfg(feature = "digest")]
    pub(crate) fn digest(
        &self,
        offered: &[&str],
        asked: Asked<'_>,
    ) -> Result<Option<String>, String> {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        use http_auth::{DigestClient, PasswordParams, parse_challenges};

        let challenges = offered.iter().filter_map(|value| parse_challenges(value).ok()).flatten();
        let mut digests =
            challenges.filter_map(|challenge| DigestClient::try_from(&challenge).ok());
        let Some(mut digest) = digests.next() else { return Ok(None) };
        let params = PasswordParams {
            username: &self.user,
            password: &self.password,
            uri: asked.uri,
            method: asked.method,
            body: None,
        };
        let nonce = Base64Display::new(asked.nonce, &URL_SAFE_NO_PAD).to_string();
        digest.respond_with_testing_cnonce(&params, &nonce).map(Some)
    }

    #[cfg(not(feature = "digest"))]
    pub(crate) fn digest(&self, _: &[&str], _: Asked<'_>) -> Result<Option<String>, String> {
        Ok(None)
    }
}

/// Keeps them out of logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}
