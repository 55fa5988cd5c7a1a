//! What a client does about an answer that is not 101: it follows a redirect, or logs in.

use super::ClientOptions;
use super::prepare::random;
use crate::error::Error;
use crate::proto::handshake::HttpReply;
use crate::target::Target;

/// Fields that are for one origin only: they do not follow a redirect to another.
const OF_ONE_ORIGIN: [&str; 4] = ["authorization", "cookie", "host", "proxy-authorization"];

/// What a request was made of, and how often another may follow it.
#[derive(Debug)]
pub(crate) struct Follow {
    options: Box<ClientOptions>,
    redirects: u32,
    logged_in: bool,
}

impl Follow {
    /// `None` if every answer other than 101 is an error.
    pub(super) fn of(options: &ClientOptions) -> Option<Box<Self>> {
        let challenge = options.auth.as_ref().is_some_and(|auth| auth.waits_for_a_challenge());
        let wanted = (options.max_redirects > 0 || challenge) && options.socket.is_none();
        wanted.then(|| {
            let options = Box::new(options.clone());
            Box::new(Self { options, redirects: 0, logged_in: false })
        })
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// The request after `reply`; `None` if there is nothing to do but to report it.
    ///
    /// # Errors
    ///
    /// A redirect that must not be followed.
    pub(crate) fn next(mut self: Box<Self>, reply: &HttpReply) -> Result<Option<Box<Self>>, Error> {
        match reply.status {
            401 if !self.logged_in => self.log_in(reply),
            301 | 302 | 303 | 307 | 308 if self.options.max_redirects > 0 => {
                self.redirect(reply).map(|()| Some(self))
            }
            _ => Ok(None),
        }
    }

    fn log_in(mut self: Box<Self>, reply: &HttpReply) -> Result<Option<Box<Self>>, Error> {
        let (nonce, resource) = (random()?, &self.options.target.resource);
        let auth = self.options.auth.as_ref();
        let Some(answer) = auth.and_then(|auth| auth.answer(reply, resource, &nonce)) else {
            return Ok(None);
        };
        self.options.login = Some(answer);
        self.logged_in = true;
        Ok(Some(self))
    }

    fn redirect(&mut self, reply: &HttpReply) -> Result<(), Error> {
        let refused = |kind, cause: String| Error::refused(kind, cause, reply);
        let Some(location) = reply.headers.get("location") else {
            return Err(refused(
                "redirect_without_location",
                "a redirect without a Location".to_owned(),
            ));
        };
        if self.redirects == self.options.max_redirects {
            let limit = self.options.max_redirects;
            let cause =
                format!("over {limit} redirects, now to {location:?} (option: max_redirects)");
            return Err(refused("too_many_redirects", cause));
        }
        let from = &self.options.target;
        let to = from.join(location).map_err(|error| {
            let cause = format!("a redirect to {location:?} cannot be followed: {error}");
            refused("bad_redirect", cause)
        })?;
        if from.secure && !to.secure {
            let cause = "a redirect from wss to ws is not followed: it would give up encryption";
            return Err(refused("insecure_redirect", cause.to_owned()));
        }
        if to.unix.is_some() && to.unix != from.unix {
            let cause = "a redirect to a Unix socket is not followed";
            return Err(refused("bad_redirect", cause.to_owned()));
        }
        self.redirects += 1;
        self.go_to(to);
        Ok(())
    }

    fn go_to(&mut self, mut to: Target) {
        let options = &mut *self.options;
        // The proof is for one resource; another is proved anew.
        options.login = None;
        self.logged_in = false;
        if options.target.is_same_origin(&to) {
            if to.credentials.is_none() {
                to.credentials = options.target.credentials.take();
            }
        } else {
            options.auth = None;
            options.connect_to = None;
            options.tls_name = None;
            options
                .headers
                .retain(|(name, _)| !OF_ONE_ORIGIN.contains(&name.to_ascii_lowercase().as_str()));
        }
        options.target = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Auth;
    use crate::proto::handshake::ReplyReader;
    use crate::proto::head::HeadReader;
    use crate::{Tuning, error::ErrorCode};

    fn reply(status: u16, fields: &str) -> HttpReply {
        let text = format!("HTTP/1.1 {status} x\r\n{fields}Content-Length: 0\r\n\r\n");
        let mut reader = HeadReader::new(&Tuning::default());
        let (_, head) = reader.advance(text.as_bytes()).unwrap();
        *ReplyReader::new(head.unwrap().response().unwrap()).into_reply()
    }

    fn options(url: &str) -> ClientOptions {
        ClientOptions::new(url).unwrap().max_redirects(2).header("Cookie", "a=b").header("X", "1")
    }

    fn follow(options: &ClientOptions, location: &str) -> Result<Option<Box<Follow>>, Error> {
        Follow::of(options).unwrap().next(&reply(302, &format!("Location: {location}\r\n")))
    }

    #[test]
    fn nothing_is_followed_unless_asked_for() {
        assert!(Follow::of(&ClientOptions::new("ws://h/").unwrap()).is_none());
        let basic = ClientOptions::new("ws://h/").unwrap().auth(Auth::basic("a", "b"));
        assert!(Follow::of(&basic).is_none());
        let digest = ClientOptions::new("ws://h/").unwrap().auth(Auth::digest("a", "b"));
        assert!(follow(&digest, "/x").unwrap().is_none());
        let redirects = options("ws://h/");
        assert!(Follow::of(&redirects).unwrap().next(&reply(404, "")).unwrap().is_none());
        assert!(Follow::of(&redirects).unwrap().next(&reply(304, "")).unwrap().is_none());
    }

    #[test]
    fn what_is_secret_stays_with_its_origin() {
        let options = options("ws://u:p@h/a")
            .auth(Auth::bearer("t"))
            .header("Authorization", "x")
            .header("host", "other")
            .connect_to("127.0.0.1:1")
            .tls_name("n");
        let same = follow(&options, "/b").unwrap().unwrap().options;
        assert_eq!(same.target.url, "ws://u:p@h/b");
        assert!(same.auth.is_some() && same.connect_to.is_some() && same.tls_name.is_some());
        assert_eq!(same.headers.len(), 4);
        for location in ["ws://h:81/b", "wss://h/b", "ws://i/b", "//i/b"] {
            let other = follow(&options, location).unwrap().unwrap().options;
            assert!(other.auth.is_none() && other.connect_to.is_none(), "{location}");
            assert!(other.tls_name.is_none() && other.target.credentials.is_none(), "{location}");
            assert_eq!(other.headers, [("X".to_owned(), "1".to_owned())], "{location}");
        }
    }

    #[test]
    fn redirects_that_must_not_be_followed_say_why() {
        let secure = options("wss://h/");
        for (location, why) in [
            ("ws://h/", "from wss to ws"),
            ("http://h/", "from wss to ws"),
            ("ftp://h/", "cannot be followed: unknown scheme"),
            ("wss+unix:/run/x:/", "to a Unix socket"),
        ] {
            let error = follow(&secure, location).err().unwrap();
            assert!(error.to_string().contains(why), "{error}");
            assert_eq!(error.code(), ErrorCode::Handshake);
            assert_eq!(error.http().unwrap().status, 302);
        }
        let none = Follow::of(&secure).unwrap().next(&reply(301, "")).err().unwrap();
        assert_eq!(none.to_string(), "upgrade: a redirect without a Location");
        let mut follow = Follow::of(&secure).unwrap();
        for _ in 0..2 {
            follow = follow.next(&reply(307, "Location: /\r\n")).unwrap().unwrap();
        }
        let error = follow.next(&reply(308, "Location: /c\r\n")).err().unwrap();
        assert!(error.to_string().contains("over 2 redirects, now to \"/c\""), "{error}");
    }

    #[cfg(feature = "digest")]
    #[test]
    fn a_challenge_is_answered_once_for_each_resource() {
        let challenge = "WWW-Authenticate: Basic realm=\"r\"\r\n\
            WWW-Authenticate: Digest realm=\"r\", qop=\"auth\", algorithm=SHA-256, nonce=\"n\"\r\n";
        let options = options("ws://h/a?b").auth(Auth::digest("me", "secret"));
        let follow = Follow::of(&options).unwrap().next(&reply(401, challenge)).unwrap().unwrap();
        let login = follow.options.login.clone().unwrap();
        assert!(login.starts_with("Digest username=\"me\""), "{login}");
        assert!(login.contains("uri=\"/a?b\"") && !login.contains("secret"), "{login}");
        let redirected = Follow::of(&options).unwrap().next(&reply(401, challenge)).unwrap();
        assert!(follow.next(&reply(401, challenge)).unwrap().is_none());
        let moved = redirected.unwrap().next(&reply(302, "Location: /c\r\n")).unwrap().unwrap();
        assert!(moved.options.login.is_none());
        assert!(moved.next(&reply(401, challenge)).unwrap().is_some());
        let basic = reply(401, "WWW-Authenticate: Basic realm=\"r\"\r\n");
        assert!(Follow::of(&options).unwrap().next(&basic).unwrap().is_none());
    }
}
