//! What goes wrong with TLS, in plain words.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use rustls::{
    AlertDescription, CertificateError, Error as Cause, InconsistentKeys, InvalidMessage,
    PeerIncompatible, PeerMisbehaved,
};

use super::trust::PinMismatch;

/// Why TLS could not be set up or had to be given up. The text says it in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(Box<Reason>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reason {
    kind: Cow<'static, str>,
    text: Cow<'static, str>,
    is_certificate: bool,
}

impl TlsError {
    /// Whether a certificate is to blame: the peer's in our eyes, or ours in the peer's.
    pub fn is_certificate(&self) -> bool {
        self.0.is_certificate
    }

    /// The reason as a word that never changes: `certificate_expired`, `alert_unknown_ca` for an alert
    /// of the peer (RFC 8446 section 6, by its name there), `not_tls`, and others; `tls` where there
    /// is no word for it.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The error of a [`TlsEngine`](super::tls_engine::TlsEngine), with its [`kind`](Self::kind).
    pub fn of_engine(kind: String, text: String, is_certificate: bool) -> Self {
        Self(Box::new(Reason { kind: kind.into(), text: text.into(), is_certificate }))
    }

    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self::named("tls", text)
    }

    fn named(kind: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Reason { kind: kind.into(), text: text.into(), is_certificate: false }))
    }

    pub(crate) fn certificate(
        kind: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Reason { kind: kind.into(), text: text.into(), is_certificate: true }))
    }

    /// Says first where it happened, for instance in which file.
    pub(crate) fn in_place(self, place: impl fmt::Display) -> Self {
        let text = format!("{place}: {}", self.0.text).into();
        Self(Box::new(Reason { text, ..*self.0 }))
    }

    /// The peer's first bytes, or `bytes`, were not TLS.
    pub(crate) fn not_tls(bytes: &[u8]) -> Self {
        let http = [&b"HTTP/"[..], b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"OPTIONS "];
        if http.iter().any(|start| bytes.starts_with(start)) {
            Self::named("not_tls", "peer does not speak TLS (it sent plain HTTP)")
        } else {
            Self::named("not_tls", "peer does not speak TLS")
        }
    }

    /// Whether `cause` is about the framing of records: before the first good record that means
    /// that the peer does not speak TLS at all.
    pub(crate) fn is_garbage(cause: &Cause) -> bool {
        matches!(
            cause,
            Cause::InvalidMessage(
                InvalidMessage::InvalidContentType
                    | InvalidMessage::UnknownProtocolVersion
                    | InvalidMessage::MessageTooLarge
            )
        )
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl Error for TlsError {}

impl From<Cause> for TlsError {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::AlertReceived(alert) => alert_received(alert),
            Cause::DecryptError => {
                Self::named("bad_record", "peer sent a record that cannot be decrypted")
            }
            Cause::InappropriateHandshakeMessage { got_type, .. } => {
                Self::new(format!("peer sent an unexpected handshake message ({got_type:?})"))
            }
            Cause::InappropriateMessage { got_type, .. } => {
                Self::new(format!("peer sent an unexpected message ({got_type:?})"))
            }
            Cause::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                Self::new("the private key does not belong to the certificate")
            }
            Cause::InvalidCertificate(error) => {
                Self::certificate(certificate_name(&error), certificate_text(&error))
            }
            Cause::InvalidMessage(error) => {
                Self::new(format!("peer sent malformed TLS ({error:?})"))
            }
            Cause::NoApplicationProtocol => {
                Self::new("peer offers only application protocols (ALPN) other than http/1.1")
            }
            Cause::NoCertificatesPresented => {
                Self::certificate("certificate_missing", "peer presented no certificate")
            }
            Cause::PeerIncompatible(error) => {
                Self::named("nothing_in_common", incompatible_text(&error))
            }
            Cause::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
                Self::new("peer chose an application protocol (ALPN) other than http/1.1")
            }
            Cause::PeerMisbehaved(error) => {
                Self::new(format!("peer broke the TLS protocol ({error:?})"))
            }
            Cause::PeerSentOversizedRecord => Self::new("peer sent a record that is too long"),
            other => Self::new(other.to_string()),
        }
    }
}

fn certificate_name(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::BadEncoding => "certificate_malformed",
        CertificateError::BadSignature => "certificate_bad_signature",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate_expired"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "certificate_wrong_purpose"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "certificate_wrong_name"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate_not_yet_valid"
        }
        CertificateError::Revoked => "certificate_revoked",
        CertificateError::UnknownIssuer => "certificate_unknown_issuer",
        CertificateError::Other(error) if error.0.is::<PinMismatch>() => "certificate_pin_mismatch",
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "certificate_unknown_issuer"
        }
        _ => "certificate_not_accepted",
    }
}

fn certificate_text(error: &CertificateError) -> Cow<'static, str> {
    match error {
        CertificateError::BadEncoding => "certificate is malformed".into(),
        CertificateError::BadSignature => "certificate has a bad signature".into(),
        CertificateError::Expired => "certificate expired".into(),
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("certificate expired {} ago", rough(ago)).into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "certificate is not meant for this purpose (extended key usage)".into()
        }
        CertificateError::NotValidForName => "certificate not valid for this name".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            wrong_name(&expected.to_str(), presented).into()
        }
        CertificateError::NotValidYet => "certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { time, not_before } => {
            let left = not_before.as_secs().saturating_sub(time.as_secs());
            format!("certificate is not valid yet (only in {}); is the clock right?", rough(left))
                .into()
        }
        CertificateError::Revoked => "certificate is revoked".into(),
        CertificateError::UnknownIssuer => {
            "certificate is not trusted (unknown issuer or self-signed)".into()
        }
        CertificateError::Other(error) if error.0.is::<PinMismatch>() => error.to_string().into(),
        CertificateError::Other(error) => match error.to_string() {
            // What `openssl req -x509` makes: self-signed, and marked as an authority.
            cause if cause.contains("CaUsedAsEndEntity") => {
                "certificate is not trusted (self-signed, or an authority's own: CA:TRUE)".into()
            }
            cause => format!("certificate is not accepted: {cause}").into(),
        },
        other => format!("certificate is not accepted: {other}").into(),
    }
}

/// Names what the certificate is for, so that a wrong host is seen at a glance.
fn wrong_name(expected: &str, presented: &[String]) -> String {
    const SHOWN: usize = 5;
    // rustls prints each name as its kind with the name in it: DnsName("a.example").
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
        format!("\"{}\"", inner.unwrap_or(name).trim_matches('"'))
    };
    let mut text = format!("certificate not valid for name \"{expected}\"");
    if presented.is_empty() {
        text.push_str(": it has no names");
    } else {
        let names: Vec<_> = presented.iter().take(SHOWN).map(plain).collect();
        text.push_str(": it is for ");
        text.push_str(&names.join(", "));
    }
    if presented.len() > SHOWN {
        text.push_str(&format!(" and {} more", presented.len() - SHOWN));
    }
    text
}

/// A length of time to the precision that helps.
fn rough(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

fn incompatible_text(error: &PeerIncompatible) -> Cow<'static, str> {
    match error {
        PeerIncompatible::NoCipherSuitesInCommon => {
            "no cipher suite in common with the peer".into()
        }
        PeerIncompatible::NoKxGroupsInCommon => "no key exchange in common with the peer".into(),
        PeerIncompatible::NoSignatureSchemesInCommon => {
            "no signature scheme in common with the peer".into()
        }
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => {
            "no TLS version in common with the peer".into()
        }
        PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
            "peer names no signature algorithms, as before TLS 1.2".into()
        }
        other => format!("peer lacks something that we need ({other:?})").into(),
    }
}

fn alert_received(alert: AlertDescription) -> TlsError {
    let name = alert_name(alert);
    let meaning = match alert {
        AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::NoCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::UnsupportedCertificate => {
            return TlsError::certificate(
                name,
                format!("peer rejected our certificate ({alert:?})"),
            );
        }
        AlertDescription::CertificateRequired => {
            return TlsError::certificate(
                name,
                format!("peer demands a certificate of us ({alert:?})"),
            );
        }
        AlertDescription::HandshakeFailure => "nothing in common, such as a cipher suite",
        AlertDescription::NoApplicationProtocol => "it does not serve http/1.1",
        AlertDescription::ProtocolVersion => "no TLS version in common",
        AlertDescription::UnrecognisedName => "it does not serve this host name",
        other => return TlsError::named(name, format!("peer reports a TLS failure ({other:?})")),
    };
    TlsError::named(name, format!("peer refused the TLS handshake: {meaning} ({alert:?})"))
}

/// `UnknownCA` is `alert_unknown_ca`, as RFC 8446 writes it.
fn alert_name(alert: AlertDescription) -> String {
    if alert == AlertDescription::UnrecognisedName {
        return "alert_unrecognized_name".to_owned();
    }
    let mut name = "alert".to_owned();
    let mut after_lower = true;
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && after_lower {
            name.push('_');
        }
        after_lower = letter.is_ascii_lowercase();
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_rfc() {
        for (alert, name) in [
            (AlertDescription::UnknownCA, "alert_unknown_ca"),
            (AlertDescription::HandshakeFailure, "alert_handshake_failure"),
            (AlertDescription::BadRecordMac, "alert_bad_record_mac"),
            (AlertDescription::UnrecognisedName, "alert_unrecognized_name"),
        ] {
            let error = TlsError::from(Cause::AlertReceived(alert));
            assert_eq!(error.kind(), name);
            assert_eq!(error.clone().in_place("x").kind(), name);
        }
        assert_eq!(TlsError::new("x").kind(), "tls");
    }
}
