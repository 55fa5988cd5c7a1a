//! A server's answer to an opening handshake.

use super::id::ConnId;
use crate::proto::handshake::Refusal;

/// A server's answer to an opening handshake (RFC 6455 section 4.2.2): to accept, unless it says
/// otherwise.
#[derive(Debug, Default)]
pub struct Reply {
    /// `None`: the one that the server prefers.
    pub(crate) protocol: Option<Option<String>>,
    headers: Vec<(String, String)>,
    refusal: Option<(u16, String)>,
    /// Whether messages come in chunks; `None`: as the server's options say.
    pub(crate) chunks: Option<bool>,
    /// The connection, in `on_request`.
    id: Option<ConnId>,
    pub(crate) deferred: bool,
}

impl Reply {
    /// Accepts, with the subprotocol that the server prefers among those that the client offers.
    #[must_use]
    pub fn accept() -> Self {
        Self::default()
    }

    pub(crate) fn to(id: ConnId) -> Self {
        Self { id: Some(id), ..Self::default() }
    }

    /// Chooses a subprotocol, which the client must have offered, or none.
    pub fn protocol(&mut self, protocol: Option<&str>) {
        self.protocol = Some(protocol.map(str::to_owned));
    }

    /// Adds a header field to the answer. Names that are no token and values with control
    /// characters refuse the connection with 500 instead of being sent.
    pub fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Refuses the connection with an HTTP status (300 to 599) and a text.
    pub fn refuse(&mut self, status: u16, body: &str) {
        self.refusal = Some((status, body.to_owned()));
    }

    /// Has messages of this connection come in chunks, or whole, whatever the server's
    /// [`Tuning::chunks`](crate::Tuning::chunks) says.
    pub fn chunks(&mut self, chunks: bool) {
        self.chunks = Some(chunks);
    }

    /// Leaves the answer for later: [`Context::answer`](super::Context::answer) with the id that is
    /// returned, from this callback on and before `open_timeout` is over. The rest of this reply
    /// counts for nothing. From now on the connection is known to the application, so that `on_close`
    /// comes in any case. `None` outside of `on_request`.
    pub fn defer(&mut self) -> Option<ConnId> {
        self.deferred = self.id.is_some();
        self.id
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The refusal, if it is one.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let (status, body) = self.refusal.as_ref()?;
        Some(Refusal { headers: self.headers.clone(), ..Refusal::new(*status, body.clone()) })
    }
}
