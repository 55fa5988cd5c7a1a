//! HTTP CONNECT (RFC 9110 section 9.3.6), with Basic (RFC 7617) and Digest (RFC 7616) login.

use super::{Destination, Progress, ProxyError};
use crate::config::Tuning;
use crate::net::login::{Asked, Credentials};
use crate::proto::handshake::ReplyReader;
use crate::proto::head::{HeadError, HeadReader, Headers, ResponseHead};

/// Most interim (1xx) responses before the final one.
const MAX_INTERIM: u8 = 8;

/// One dialogue with the proxy.
///
/// ```text
/// Head ──2xx──▶ Done
///  ├──407 with a challenge that was not answered yet──▶ Challenged ──body──▶ Head, or a new connection
///  └──other──▶ Body ──▶ Done: failed with the reply
/// ```
#[derive(Debug)]
pub(crate) struct Connect {
    state: State,
    authority: String,
    credentials: Option<Credentials>,
    /// Random, for the answer to a challenge.
    nonce: [u8; 16],
    /// The value of `Proxy-Authorization` that answers the proxy's challenge.
    answer: Option<String>,
    tuning: Tuning,
}

#[derive(Debug)]
enum State {
    Head {
        reader: HeadReader,
        interim: u8,
    },
    /// The body of a challenge, which stands before the next answer.
    Challenged(ReplyReader),
    Body(ReplyReader),
    Done,
}

impl Connect {
    pub(super) fn start(
        to: &Destination,
        credentials: Option<&Credentials>,
        nonce: [u8; 16],
        tuning: &Tuning,
        out: &mut Vec<u8>,
    ) -> Result<Self, ProxyError> {
        if to.host.len() > 255 {
            return Err(ProxyError::TooLong);
        }
        let authority = match to.host.contains(':') {
            true => format!("[{}]:{}", to.host, to.port),
            false => format!("{}:{}", to.host, to.port),
        };
        let mut connect = Self {
            state: State::Done,
            authority,
            credentials: credentials.cloned(),
            nonce,
            answer: None,
            tuning: tuning.clone(),
        };
        connect.resume(out);
        Ok(connect)
    }

    /// Asks (again).
    pub(super) fn resume(&mut self, out: &mut Vec<u8>) {
        let authority = &self.authority;
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(login) =
            self.answer.clone().or_else(|| self.credentials.as_ref().map(Credentials::basic))
        {
            request.push_str("Proxy-Authorization: ");
            request.push_str(&login);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        out.extend_from_slice(request.as_bytes());
        self.state = State::Head { reader: HeadReader::new(&self.tuning), interim: 0 };
    }

    pub(super) fn advance(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, Progress), ProxyError> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            match &mut self.state {
                State::Done => return Ok((used, Progress::Open)),
                State::Challenged(body) => {
                    used += body.advance(rest);
                    if !body.is_complete() {
                        return Ok((used, Progress::More));
                    }
                    self.resume(out);
                }
                State::Body(body) => {
                    used += body.advance(rest);
                    return if body.is_complete() {
                        Err(self.on_end())
                    } else {
                        Ok((used, Progress::More))
                    };
                }
                State::Head { reader, interim } => {
                    if rest.first().is_some_and(|first| reader.is_at_start() && *first != b'H') {
                        return Err(ProxyError::Malformed);
                    }
                    let (taken, head) = reader.advance(rest)?;
                    used += taken;
                    let Some(head) = head else { return Ok((used, Progress::More)) };
                    let head = head.response()?;
                    match head.status {
                        100..=199 if *interim < MAX_INTERIM => *interim += 1,
                        100..=199 => return Err(ProxyError::Malformed),
                        200..=299 => self.state = State::Done,
                        407 if self.answer.is_none() => {
                            let credentials = self.credentials.as_ref();
                            self.answer =
                                answer(&head.headers, credentials, &self.authority, &self.nonce)?;
                            if self.answer.is_none() {
                                self.state = State::Body(ReplyReader::new(head));
                                continue;
                            }
                            let stays = stays_open(&head);
                            self.state = State::Challenged(ReplyReader::new(head));
                            if !stays {
                                return Ok((used, Progress::Reconnect));
                            }
                        }
                        // An answer that was refused as well leaves the refusal.
                        _ => self.state = State::Body(ReplyReader::new(head)),
                    }
                }
            }
        }
    }

    pub(super) fn on_end(&mut self) -> ProxyError {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Body(body) | State::Challenged(body) => ProxyError::Status(body.into_reply()),
            State::Head { .. } | State::Done => ProxyError::Ended,
        }
    }
}

/// The answer to a Digest challenge; `None` if there is none, or nobody to answer it.
fn answer(
    headers: &Headers,
    credentials: Option<&Credentials>,
    authority: &str,
    nonce: &[u8; 16],
) -> Result<Option<String>, ProxyError> {
    let Some(credentials) = credentials else { return Ok(None) };
    let offered: Vec<_> = headers.get_all("proxy-authenticate").collect();
    let asked = Asked { method: "CONNECT", uri: authority, nonce };
    let answer = credentials.digest(&offered, asked).map_err(ProxyError::Challenge)?;
    let basic = offered.iter().any(|value| value.to_ascii_lowercase().contains("basic"));
    if answer.is_none() && !basic && !offered.is_empty() {
        return Err(ProxyError::Challenge(offered.join(", ")));
    }
    Ok(answer)
}

/// Whether the connection can be used again behind the body of this response.
fn stays_open(head: &ResponseHead<'_>) -> bool {
    let says = |name: &str, token: &str| {
        let mut values = head.headers.get_all(name);
        values.any(|value| value.to_ascii_lowercase().contains(token))
    };
    let closes = says("connection", "close") || says("proxy-connection", "close");
    let has_length =
        head.headers.get("content-length").is_some() || says("transfer-encoding", "chunked");
    !closes && !head.is_old && has_length
}

impl From<HeadError> for ProxyError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::FirstLineTooLong | HeadError::TooLarge | HeadError::TooManyFields => {
                Self::TooLarge
            }
            HeadError::Malformed(_) | HeadError::Version => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(credentials: Option<&Credentials>) -> (Connect, String) {
        let to = Destination { host: "h.example".to_owned(), port: 81 };
        let mut out = Vec::new();
        let connect =
            Connect::start(&to, credentials, [7; 16], &Tuning::default(), &mut out).unwrap();
        (connect, String::from_utf8(out).unwrap())
    }

    fn somebody() -> Credentials {
        Credentials { user: "Mufasa".to_owned(), password: "Circle of Life".to_owned() }
    }

    /// What comes of an answer, cut anywhere, and of the end of the stream behind it.
    fn answered(answer: &str) -> Result<usize, ProxyError> {
        let (mut whole, _) = start(None);
        let result = match whole.advance(answer.as_bytes(), &mut Vec::new()) {
            Ok((used, Progress::Open)) => Ok(used),
            Ok((_, _)) => Err(whole.on_end()),
            Err(error) => Err(error),
        };
        let (mut cut, _) = start(None);
        let mut used = 0;
        let pieces = answer.as_bytes().chunks(1).try_for_each(|byte| {
            let (count, progress) = cut.advance(byte, &mut Vec::new()).map_err(Err)?;
            used += count;
            if progress == Progress::Open { Err(Ok(used)) } else { Ok(()) }
        });
        let pieces = match pieces {
            Ok(()) => Err(cut.on_end()),
            Err(decided) => decided,
        };
        assert_eq!(pieces, result, "{answer:?}");
        result
    }

    fn status(error: ProxyError) -> (u16, Vec<u8>) {
        match error {
            ProxyError::Status(reply) => (reply.status, reply.body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_tunnel_is_asked_for_by_authority() {
        assert_eq!(start(None).1, "CONNECT h.example:81 HTTP/1.1\r\nHost: h.example:81\r\n\r\n");
        let to = Destination { host: "::1".to_owned(), port: 443 };
        let mut out = Vec::new();
        Connect::start(&to, None, [0; 16], &Tuning::default(), &mut out).unwrap();
        assert!(out.starts_with(b"CONNECT [::1]:443 HTTP/1.1\r\n"));
        let to = Destination { host: "x".repeat(256), port: 1 };
        let long = Connect::start(&to, None, [0; 16], &Tuning::default(), &mut out);
        assert_eq!(long.err(), Some(ProxyError::TooLong));
    }

    #[test]
    fn a_2xx_opens_and_what_follows_is_the_tunnels() {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 200 Connection established\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n",
        ] {
            assert_eq!(answered(&format!("{head}tunnel")), Ok(head.len()));
        }
    }

    #[test]
    fn anything_else_is_an_error_with_what_there_was_to_read() {
        let refusal = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\ndown";
        assert_eq!(status(answered(refusal).unwrap_err()), (502, b"down".to_vec()));
        let cut = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n\r\nwho?";
        assert_eq!(status(answered(cut).unwrap_err()), (407, b"who?".to_vec()));
        for (answer, error) in [
            ("", ProxyError::Ended),
            ("HTTP/1.1 200 OK\r\n", ProxyError::Ended),
            ("\x05\x00", ProxyError::Malformed),
            ("HTTP/9.1 200 OK\r\n\r\n", ProxyError::Malformed),
            ("HTTP/1.1 20 OK\r\n\r\n", ProxyError::Malformed),
        ] {
            assert_eq!(answered(answer), Err(error), "{answer:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(10_000));
        assert_eq!(answered(&endless), Err(ProxyError::TooLarge));
        let interim = "HTTP/1.1 102 x\r\n\r\n".repeat(9);
        assert_eq!(answered(&interim), Err(ProxyError::Malformed));
    }

    #[test]
    fn basic_login_is_shown_at_once_and_in_no_error() {
        let me = somebody();
        let (mut connect, request) = start(Some(&me));
        assert!(
            request.contains("\r\nProxy-Authorization: Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl\r\n")
        );
        let refusal =
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
        let error = connect.advance(refusal.as_bytes(), &mut Vec::new()).unwrap_err();
        let text = format!("{error} {error:?} {connect:?}");
        assert!(!text.contains("Mufasa") && !text.contains("Circle") && !text.contains("TXVm"));
        assert!(error.to_string().contains("user and password"), "{error}");
    }

    #[cfg(feature = "digest")]
    #[test]
    fn a_digest_challenge_is_answered_once_here_or_on_a_new_connection() {
        let challenge = "Proxy-Authenticate: Digest realm=\"r\", qop=\"auth\", algorithm=SHA-256, nonce=\"abc\"\r\n";
        for (fields, again) in [
            ("Content-Length: 3\r\n", Progress::More),
            ("Content-Length: 3\r\nConnection: close\r\n", Progress::Reconnect),
            ("Proxy-Connection: close\r\nContent-Length: 3\r\n", Progress::Reconnect),
            ("", Progress::Reconnect),
        ] {
            let me = somebody();
            let (mut connect, _) = start(Some(&me));
            let refusal = format!("HTTP/1.1 407 Who\r\n{challenge}{fields}\r\nwho");
            let mut out = Vec::new();
            let (used, progress) = connect.advance(refusal.as_bytes(), &mut out).unwrap();
            assert_eq!(progress, again, "{fields}");
            if again == Progress::Reconnect {
                assert_eq!(out, b"");
                connect.resume(&mut out);
            } else {
                assert_eq!(used, refusal.len());
            }
            let request = String::from_utf8(out.clone()).unwrap();
            assert!(request.starts_with("CONNECT h.example:81 HTTP/1.1\r\n"), "{request}");
            assert!(
                request.contains("Proxy-Authorization: Digest username=\"Mufasa\""),
                "{request}"
            );
            assert!(request.contains("uri=\"h.example:81\"") && request.contains("nc=00000001"));
            let refused = connect.advance(refusal.as_bytes(), &mut out);
            let error = refused.err().unwrap_or_else(|| connect.on_end());
            assert_eq!(status(error).0, 407);
        }
    }

    #[test]
    fn a_login_that_we_have_not_is_named() {
        let me = somebody();
        let (mut connect, _) = start(Some(&me));
        let refusal =
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n";
        let error = connect.advance(refusal.as_bytes(), &mut Vec::new()).unwrap_err();
        assert_eq!(error, ProxyError::Challenge("Negotiate, NTLM".to_owned()));
    }
}
