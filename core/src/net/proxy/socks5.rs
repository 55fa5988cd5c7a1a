//! SOCKS version 5: RFC 1928, and user and password by RFC 1929.

use std::net::IpAddr;

use super::{Destination, Progress, ProxyError};
use crate::net::login::Credentials;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;
/// The version of the dialogue about the password.
const PASSWORD_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// One dialogue with the proxy.
///
/// ```text
/// Method ──0──▶ Reply ──▶ Done
///   └──2──▶ Login ──▶ Reply
/// ```
#[derive(Debug)]
pub(crate) struct Socks5 {
    state: State,
    /// What was received of the next answer.
    kept: Vec<u8>,
    login: Vec<u8>,
    request: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Method,
    Login,
    Reply,
    Done,
}

impl Socks5 {
    pub(super) fn start(
        to: &Destination,
        credentials: Option<&Credentials>,
        out: &mut Vec<u8>,
    ) -> Result<Self, ProxyError> {
        let login = credentials.map(login).transpose()?.unwrap_or_default();
        let request = request(to)?;
        match credentials {
            Some(_) => out.extend_from_slice(&[VERSION, 2, NO_LOGIN, PASSWORD]),
            None => out.extend_from_slice(&[VERSION, 1, NO_LOGIN]),
        }
        Ok(Self { state: State::Method, kept: Vec::new(), login, request })
    }

    pub(super) fn advance(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, Progress), ProxyError> {
        let mut used = 0;
        while self.state != State::Done {
            // Answers are a few bytes, whose length shows byte by byte.
            let Some(byte) = input.get(used) else { return Ok((used, Progress::More)) };
            self.kept.push(*byte);
            used += 1;
            if self.answer(out)? {
                self.kept.clear();
            }
        }
        Ok((used, Progress::Open))
    }

    /// Acts upon the answer if it is complete.
    fn answer(&mut self, out: &mut Vec<u8>) -> Result<bool, ProxyError> {
        match (self.state, self.kept.as_slice()) {
            (State::Method | State::Reply, [version, ..]) if *version != VERSION => {
                return Err(ProxyError::Malformed);
            }
            (State::Method, [_, NO_LOGIN]) => self.ask(out),
            (State::Method, [_, PASSWORD]) if !self.login.is_empty() => {
                out.extend_from_slice(&self.login);
                self.state = State::Login;
            }
            (State::Method, [_, NONE_ACCEPTABLE]) => return Err(ProxyError::Rejected),
            (State::Method, [_, _]) => return Err(ProxyError::Malformed),
            (State::Login, [_, 0]) => self.ask(out),
            (State::Login, [_, _]) => return Err(ProxyError::Rejected),
            (State::Reply, [_, code, ..]) if *code != 0 => return Err(ProxyError::Refused(*code)),
            (State::Reply, [_, _, _, kind, rest @ ..]) => {
                let address = match (*kind, rest) {
                    (IPV4, _) => 4,
                    (IPV6, _) => 16,
                    (NAME, [len, ..]) => 1 + usize::from(*len),
                    (NAME, []) => return Ok(false),
                    _ => return Err(ProxyError::Malformed),
                };
                if rest.len() < address + 2 {
                    return Ok(false);
                }
                self.state = State::Done;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn ask(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request);
        self.state = State::Reply;
    }
}

fn short(text: &str) -> Result<u8, ProxyError> {
    u8::try_from(text.len()).map_err(|_| ProxyError::TooLong)
}

fn login(Credentials { user, password }: &Credentials) -> Result<Vec<u8>, ProxyError> {
    let mut bytes = vec![PASSWORD_VERSION];
    for text in [user, password] {
        bytes.push(short(text)?);
        bytes.extend_from_slice(text.as_bytes());
    }
    Ok(bytes)
}

fn request(to: &Destination) -> Result<Vec<u8>, ProxyError> {
    let mut bytes = vec![VERSION, CONNECT, 0];
    match to.host.parse() {
        Ok(IpAddr::V4(address)) => {
            bytes.push(IPV4);
            bytes.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            bytes.push(IPV6);
            bytes.extend_from_slice(&address.octets());
        }
        Err(_) => {
            bytes.extend_from_slice(&[NAME, short(&to.host)?]);
            bytes.extend_from_slice(to.host.as_bytes());
        }
    }
    bytes.extend_from_slice(&to.port.to_be_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(host: &str) -> Destination {
        Destination { host: host.to_owned(), port: 258 }
    }

    fn somebody() -> Credentials {
        Credentials { user: "me".to_owned(), password: "pw".to_owned() }
    }

    /// What is said in answer to each of the proxy's answers, which come byte by byte.
    fn dialogue(
        host: &str,
        credentials: Option<&Credentials>,
        answers: &[&[u8]],
    ) -> Result<Vec<Vec<u8>>, ProxyError> {
        let mut out = Vec::new();
        let mut socks = Socks5::start(&to(host), credentials, &mut out)?;
        let mut said = vec![std::mem::take(&mut out)];
        for (number, answer) in answers.iter().enumerate() {
            for (at, byte) in answer.iter().enumerate() {
                let open = number + 1 == answers.len() && at + 1 == answer.len();
                let expected = if open { Progress::Open } else { Progress::More };
                assert_eq!(socks.advance(&[*byte], &mut out)?, (1, expected));
            }
            said.push(std::mem::take(&mut out));
        }
        assert_eq!(socks.advance(b"tunnel", &mut out), Ok((0, Progress::Open)));
        Ok(said)
    }

    #[test]
    fn a_name_goes_to_the_proxy_as_it_is() {
        let reply = [5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
        let said = dialogue("h.example", None, &[&[5, 0], &reply]).unwrap();
        let request = [&[5, 1, 0, 3, 9], &b"h.example"[..], &[1, 2]].concat();
        assert_eq!(said, [vec![5, 1, 0], request, vec![]]);
    }

    #[test]
    fn addresses_have_a_form_of_their_own_and_replies_all_forms() {
        let v6 = [&[5, 0, 0, 4][..], &[0; 18]].concat();
        let name = [&[5, 0, 0, 3, 4][..], b"host", &[0, 80]].concat();
        let said = dialogue("10.1.2.3", None, &[&[5, 0], &v6]).unwrap();
        assert_eq!(said[1], [5, 1, 0, 1, 10, 1, 2, 3, 1, 2]);
        let said = dialogue("::1", None, &[&[5, 0], &name]).unwrap();
        assert_eq!(said[1], [&[5, 1, 0, 4][..], &[0; 15], &[1, 1, 2]].concat());
    }

    #[test]
    fn user_and_password_are_shown_when_asked_for() {
        let me = somebody();
        let reply = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let said = dialogue("h", Some(&me), &[&[5, 2], &[1, 0], &reply]).unwrap();
        assert_eq!(said[0], [5, 2, 0, 2]);
        assert_eq!(said[1], [1, 2, b'm', b'e', 2, b'p', b'w']);
        let said = dialogue("h", Some(&me), &[&[5, 0], &reply]).unwrap();
        assert_eq!(said[1], [5, 1, 0, 3, 1, b'h', 1, 2], "not asked for");
    }

    #[test]
    fn refusals_say_why() {
        let me = somebody();
        for (credentials, answers, error) in [
            (None, &[&[5, 0xff][..]][..], ProxyError::Rejected),
            (Some(&me), &[&[5, 2], &[1, 1]], ProxyError::Rejected),
            (None, &[&[5, 2]], ProxyError::Malformed),
            (None, &[&[5, 1]], ProxyError::Malformed),
            (None, &[b"HTTP/1.1"], ProxyError::Malformed),
            (None, &[&[5, 0], &[5, 5]], ProxyError::Refused(5)),
            (None, &[&[5, 0], &[4, 0]], ProxyError::Malformed),
            (None, &[&[5, 0], &[5, 0, 0, 9]], ProxyError::Malformed),
        ] {
            assert_eq!(dialogue("h", credentials, answers), Err(error));
        }
        let long = "x".repeat(256);
        assert_eq!(dialogue(&long, None, &[]), Err(ProxyError::TooLong));
        let long = Credentials { user: long, password: String::new() };
        assert_eq!(dialogue("h", Some(&long), &[]), Err(ProxyError::TooLong));
    }
}
