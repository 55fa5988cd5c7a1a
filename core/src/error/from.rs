//! Errors of the layers below, as the application sees them.

use super::{Error, ErrorCode, Phase};
use crate::net::proxy::ProxyError;
#[cfg(feature = "tls")]
use crate::net::tls_error::TlsError;
use crate::proto::handshake::{HandshakeError, HttpReply, RequestError};
use crate::proto::session::Failure;
use crate::proto::violation::Violation;
use crate::target::TargetError;

/// Characters of a refusal's body that an error text quotes.
const EXPLANATION: usize = 120;

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        let code = match &error {
            HandshakeError::HeadTooLarge | HandshakeError::TooManyFields => ErrorCode::TooBig,
            HandshakeError::Ended => ErrorCode::Reset,
            _ => ErrorCode::Handshake,
        };
        let HandshakeError::Status(reply) = error else {
            let kind = handshake_kind(&error);
            return Self::new(Phase::Upgrade, code, error).of_kind(kind);
        };
        let text = String::from_utf8_lossy(&reply.body);
        let explanation = text.lines().next().unwrap_or_default().trim();
        let separator = if explanation.is_empty() { "" } else { ": " };
        let explanation = explanation.chars().take(EXPLANATION).collect::<String>();
        let (status, hint) = (reply.status, hint(&reply));
        let space = if reply.reason.is_empty() { "" } else { " " };
        let cause = format!(
            "the server answered {status}{space}{}{hint}{separator}{explanation}",
            reply.reason
        );
        Self { http: Some(reply), ..Self::new(Phase::Upgrade, code, cause).of_kind("status") }
    }
}

/// What to do about a status.
fn hint(reply: &HttpReply) -> String {
    match (reply.status, reply.headers.get("location")) {
        (300..=399, Some(location)) => {
            format!(" to {location:?} (option: max_redirects)")
        }
        (401, _) => " (option: auth)".to_owned(),
        _ => String::new(),
    }
}

impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        let base = Self::new(Phase::Proxy, ErrorCode::Proxy, &error).of_kind(proxy_kind(&error));
        match error {
            ProxyError::Status(reply) => Self { http: Some(reply), ..base },
            _ => base,
        }
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::argument(error)
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::argument(error)
    }
}

#[cfg(feature = "tls")]
impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        let code = if error.is_certificate() { ErrorCode::Certificate } else { ErrorCode::Tls };
        let kind = error.kind().to_owned();
        Self::new(Phase::Tls, code, error).of_kind(kind)
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        let code = match violation {
            Violation::InvalidUtf8 => ErrorCode::Utf8,
            _ if violation.close_code() == 1009 => ErrorCode::TooBig,
            _ => ErrorCode::Protocol,
        };
        Self::new(Phase::Protocol, code, violation).of_kind(violation_kind(violation))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (phase, code) = match failure {
            Failure::Violation(violation) => return violation.into(),
            Failure::HeartbeatTimeout | Failure::WriteTimeout => {
                (Phase::Heartbeat, ErrorCode::TimedOut)
            }
            Failure::CloseTimeout => (Phase::Close, ErrorCode::TimedOut),
            Failure::CloseUnsent => (Phase::Close, ErrorCode::Reset),
            Failure::OpenTimeout => (Phase::Upgrade, ErrorCode::TimedOut),
            Failure::Aborted => (Phase::App, ErrorCode::Shutdown),
            Failure::Internal => (Phase::App, ErrorCode::Internal),
            Failure::Entropy => (Phase::System, ErrorCode::Internal),
            Failure::TlsTruncated => (Phase::Tls, ErrorCode::Reset),
            _ => (Phase::Tcp, ErrorCode::Reset),
        };
        let os = match failure {
            Failure::Reset(os) => os,
            _ => None,
        };
        Self { os, ..Self::new(phase, code, failure).of_kind(failure_kind(failure)) }
    }
}

fn handshake_kind(error: &HandshakeError) -> &'static str {
    match error {
        HandshakeError::AmbiguousProtocol => "ambiguous_protocol",
        HandshakeError::Deflate(_) => "bad_deflate_answer",
        HandshakeError::Ended => "ended",
        HandshakeError::HeadTooLarge => "head_too_large",
        HandshakeError::HttpVersion => "http_version",
        HandshakeError::Malformed(_) => "malformed_http",
        HandshakeError::MalformedExtensions => "malformed_extensions",
        HandshakeError::MissingConnection => "missing_connection",
        HandshakeError::MissingProtocol => "missing_protocol",
        HandshakeError::MissingUpgrade => "missing_upgrade",
        HandshakeError::NotHttp(_) => "not_http",
        HandshakeError::Status(_) => "status",
        HandshakeError::TooManyFields => "too_many_fields",
        HandshakeError::TooManyInterim => "too_many_interim",
        HandshakeError::UnsolicitedExtension => "unsolicited_extension",
        HandshakeError::UnsolicitedProtocol => "unsolicited_protocol",
        HandshakeError::WrongAccept => "wrong_accept",
    }
}

fn proxy_kind(error: &ProxyError) -> &'static str {
    match error {
        ProxyError::Challenge(_) => "proxy_challenge",
        ProxyError::Ended => "proxy_ended",
        ProxyError::Malformed => "proxy_malformed",
        ProxyError::Refused(_) => "proxy_refused",
        ProxyError::Rejected => "proxy_rejected",
        ProxyError::Status(_) => "proxy_status",
        ProxyError::TooLong => "proxy_too_long",
        ProxyError::TooLarge => "proxy_too_large",
    }
}

fn violation_kind(violation: Violation) -> &'static str {
    match violation {
        Violation::CloseCode(_) => "close_code",
        Violation::CloseTooShort => "close_too_short",
        Violation::ControlTooLong => "control_too_long",
        Violation::Deflate => "inflate",
        Violation::FragmentedControl => "fragmented_control",
        Violation::InterleavedMessage => "interleaved_message",
        Violation::InvalidUtf8 => "utf8",
        Violation::LengthOverflow => "length_overflow",
        Violation::Masking => "masking",
        Violation::MessageTooBig => "message_too_big",
        Violation::NonMinimalLength => "non_minimal_length",
        Violation::OutOfMemory => "no_memory",
        Violation::ReservedBit => "reserved_bit",
        Violation::TooManyEmptyFragments => "too_many_empty_fragments",
        Violation::UnexpectedContinuation => "unexpected_continuation",
        Violation::UnknownOpcode(_) => "unknown_opcode",
    }
}

fn failure_kind(failure: Failure) -> &'static str {
    match failure {
        Failure::Aborted => "aborted",
        Failure::CloseTimeout => "close_timeout",
        Failure::CloseUnsent => "close_unsent",
        Failure::Entropy => "entropy",
        Failure::HeartbeatTimeout => "heartbeat_timeout",
        Failure::Internal => "internal",
        Failure::OpenTimeout => "timed_out",
        Failure::Reset(_) => "reset",
        Failure::StreamEnded => "ended",
        Failure::TlsTruncated => "tls_truncated",
        Failure::Violation(violation) => violation_kind(violation),
        Failure::WriteTimeout => "write_timeout",
    }
}
