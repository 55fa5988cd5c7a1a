//! The closing handshake: RFC 6455 sections 5.5.1 and 7.

use std::fmt;

use super::frame::{MAX_CONTROL, Role};

/// The state of a connection as in a browser (WHATWG WebSocket, `readyState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// The opening handshake is under way.
    Connecting = 0,
    /// Messages flow.
    Open = 1,
    /// The closing handshake is under way.
    Closing = 2,
    /// Over.
    Closed = 3,
}

/// A close code or reason that must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// Not a code that an endpoint may send (7.4).
    InvalidCode(u16),
    /// The reason takes this many bytes of UTF-8; 123 are the most (5.5.1).
    ReasonTooLong(usize),
    /// A reason stands behind a code (5.5.1).
    ReasonWithoutCode,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidCode(code) => write!(
                f,
                "close code {code} must not be sent: use 1000-1003, 1007-1014 or 3000-4999"
            ),
            Self::ReasonTooLong(len) => {
                write!(f, "close reason of {len} bytes: at most 123 bytes of UTF-8")
            }
            Self::ReasonWithoutCode => f.write_str("close reason without a code"),
        }
    }
}

impl std::error::Error for CloseError {}

/// Whether a Close frame may carry `code` (7.4 and the codes registered since: 1012 to 1014).
pub fn is_receivable_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Whether we may send `code`; the same as we accept.
pub fn is_sendable_code(code: u16) -> bool {
    is_receivable_code(code)
}

/// Checks what a Close frame is to carry.
///
/// # Errors
///
/// What must not be sent.
pub fn check_close(code: Option<u16>, reason: &str) -> Result<(), CloseError> {
    match code {
        Some(code) if !is_sendable_code(code) => Err(CloseError::InvalidCode(code)),
        None if !reason.is_empty() => Err(CloseError::ReasonWithoutCode),
        _ if reason.len() > MAX_CONTROL - 2 => Err(CloseError::ReasonTooLong(reason.len())),
        _ => Ok(()),
    }
}

/// Where the connection is between open and gone.
///
/// ```text
///             close()                  Close in
///   Open ───────────────▶ Closing ─────────────────▶ Draining ──▶ Closed
///     │                      │                          ▲   FIN, or the linger deadline
///     ├──────────────────────┼── Close in: echo it ─────┤
///     └── failure ───────────┴── failure ───────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Messages flow both ways.
    Open,
    /// Our Close is sent, the peer's is not here yet. Messages may still come in.
    Closing,
    /// Nothing more is read but the end of the stream.
    Draining,
    /// The stream is over.
    Closed,
}

/// What moves a connection from one state to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The connection failed (7.1.7).
    Failed,
    /// The peer's Close frame came in.
    ReceivedClose,
    /// We queued a Close frame.
    SentClose,
    /// The peer ended the stream, or the deadline to wait for that passed.
    StreamEnded,
}

/// What has to be done after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing.
    None,
    /// Wait for the server to end the stream first (7.1.1), no longer than the linger time.
    AwaitEnd,
    /// Queue a Close frame with the peer's code and reason.
    EchoClose,
    /// Send what is queued, then end our half of the stream and wait for the peer's end.
    EndStream,
}

impl State {
    /// The only place where a state changes.
    pub fn step(self, input: Input, role: Role) -> (Self, Action) {
        let end = match role {
            // The server ends first, so that TIME_WAIT stays on its side.
            Role::Server => Action::EndStream,
            Role::Client => Action::AwaitEnd,
        };
        match (self, input) {
            (_, Input::StreamEnded) | (Self::Closed, _) => (Self::Closed, Action::None),
            (Self::Open, Input::SentClose) => (Self::Closing, Action::None),
            (Self::Open, Input::ReceivedClose) => (Self::Draining, Action::EchoClose),
            (Self::Open | Self::Closing, Input::Failed) => (Self::Draining, Action::EndStream),
            (Self::Closing, Input::ReceivedClose) => (Self::Draining, end),
            // Our echo is queued.
            (Self::Draining, Input::SentClose) => (Self::Draining, end),
            (state @ (Self::Closing | Self::Draining), _) => (state, Action::None),
        }
    }

    /// Whether frames of the peer still count.
    pub fn is_receiving(self) -> bool {
        matches!(self, Self::Open | Self::Closing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 2] = [Role::Client, Role::Server];
    const STATES: [State; 4] = [State::Open, State::Closing, State::Draining, State::Closed];
    const INPUTS: [Input; 4] =
        [Input::Failed, Input::ReceivedClose, Input::SentClose, Input::StreamEnded];

    #[test]
    fn peer_closes_first() {
        let (state, action) = State::Open.step(Input::ReceivedClose, Role::Server);
        assert_eq!((state, action), (State::Draining, Action::EchoClose));
        assert_eq!(state.step(Input::SentClose, Role::Server).1, Action::EndStream);
        assert_eq!(state.step(Input::SentClose, Role::Client).1, Action::AwaitEnd);
    }

    #[test]
    fn we_close_first() {
        let (state, action) = State::Open.step(Input::SentClose, Role::Client);
        assert_eq!((state, action), (State::Closing, Action::None));
        let answered = state.step(Input::ReceivedClose, Role::Client);
        assert_eq!(answered, (State::Draining, Action::AwaitEnd));
        let answered = state.step(Input::ReceivedClose, Role::Server);
        assert_eq!(answered, (State::Draining, Action::EndStream));
    }

    #[test]
    fn no_step_goes_back() {
        let rank = |state: State| STATES.iter().position(|other| *other == state).unwrap();
        for (state, input, role) in STATES.iter().flat_map(|state| {
            INPUTS.iter().flat_map(move |input| ROLES.iter().map(move |role| (state, input, role)))
        }) {
            let (next, action) = state.step(*input, *role);
            assert!(rank(next) >= rank(*state), "{state:?} {input:?} {role:?}");
            let settled = *input == Input::StreamEnded || *state == State::Closed;
            assert_eq!(settled, next == State::Closed, "{state:?} {input:?} {role:?}");
            assert!(!settled || action == Action::None, "{state:?} {input:?} {role:?}");
        }
    }

    #[test]
    fn every_code_is_judged_as_the_registry_says() {
        for code in 0..=u16::MAX {
            let legal = [1000, 1001, 1002, 1003].contains(&code)
                || (1007..1015).contains(&code)
                || (3000..5000).contains(&code);
            assert_eq!(is_receivable_code(code), legal, "{code}");
            assert_eq!(check_close(Some(code), "").is_ok(), legal, "{code}");
        }
    }

    #[test]
    fn reasons_are_bounded_and_need_a_code() {
        assert_eq!(check_close(Some(1000), &"x".repeat(123)), Ok(()));
        let long = "x".repeat(124);
        assert_eq!(check_close(Some(1000), &long), Err(CloseError::ReasonTooLong(124)));
        assert_eq!(check_close(None, "bye"), Err(CloseError::ReasonWithoutCode));
        assert_eq!(check_close(None, ""), Ok(()));
    }
}
