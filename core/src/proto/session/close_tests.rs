//! How connections end.

use super::super::tests::{Got, Keys, ROLES};
use super::super::violation::Violation;
use super::tests::{End, text};
use super::*;

const MESSAGE: Event<'static> =
    Event::Message { kind: MessageKind::Text, data: b"late", memory: 0 };

#[test]
fn nothing_follows_our_close() {
    for role in ROLES {
        let mut end = End::new(role);
        end.send(MessageKind::Text, b"before").unwrap();
        end.close(1000, "bye").unwrap();
        let queued = end.session.queue().len();
        assert_eq!(end.session.ready_state(), ReadyState::Closing);
        assert_eq!(end.send(MessageKind::Text, b"after"), Err(SendError::Closed));
        assert_eq!(end.part(MessageKind::Text, b"after", true), Err(SendError::Closed));
        assert_eq!(end.session.ping(b"after", &mut end.keys), Err(SendError::Closed));
        assert!(end.hear(&Event::Ping(b"theirs")), "{role:?}: messages still come in");
        assert!(end.hear(&MESSAGE), "{role:?}: messages still come in");
        assert_eq!(end.close(1001, "again"), Ok(()));
        end.fail(Failure::Violation(Violation::InvalidUtf8));
        assert_eq!(end.session.queue().len(), queued, "{role:?}");
        let expected = [text("before"), Got::Close(Some(1000), "bye".into())];
        assert_eq!(end.flush(), expected, "{role:?}");
    }
}

#[test]
fn a_pong_that_waits_is_forgotten_by_a_close() {
    let mut end = End::tuned(Role::Server, Tuning { high_water: 10, ..Tuning::default() });
    end.send(MessageKind::Binary, &[0; 20]).unwrap();
    end.hear(&Event::Ping(b"waits"));
    end.close(1000, "").unwrap();
    let expected = [Got::Binary(vec![0; 20]), Got::Close(Some(1000), String::new())];
    assert_eq!(end.flush(), expected);
}

#[test]
fn a_close_that_must_not_be_sent_changes_nothing() {
    for (code, reason, error) in [
        (Some(1005), "", CloseError::InvalidCode(1005)),
        (Some(999), "", CloseError::InvalidCode(999)),
        (None, "why", CloseError::ReasonWithoutCode),
    ] {
        let mut end = End::new(Role::Client);
        let now = end.now;
        let closed = end.session.close(code, reason, now, &end.tuning, &mut end.keys);
        assert_eq!(closed, Err(error), "{code:?}");
        assert_eq!(end.session.ready_state(), ReadyState::Open, "{code:?}");
        assert!(end.session.queue().is_empty(), "{code:?}");
    }
}

#[test]
fn a_close_is_echoed_with_its_code_and_its_reason() {
    for role in ROLES {
        for (code, reason, outcome) in
            [(None, "", 1005), (Some(1000), "", 1000), (Some(4999), "bye €", 4999)]
        {
            let mut end = End::new(role);
            end.send(MessageKind::Text, b"queued").unwrap();
            assert!(!end.hear_close(code, reason), "{role:?}: the application gets `on_close`");
            assert!(!end.hear(&MESSAGE), "{role:?}: nothing follows a Close");
            assert_eq!(end.session.ready_state(), ReadyState::Closing);
            assert_eq!(end.send(MessageKind::Text, b""), Err(SendError::Closed));
            assert!(!end.session.outcome().clean, "{role:?}: our echo is not out");
            let echo = Got::Close(code, reason.to_owned());
            assert_eq!(end.flush(), [text("queued"), echo], "{role:?}");
            let action = match role {
                Role::Client => StreamAction::AwaitEnd,
                Role::Server => StreamAction::EndAfterFlush,
            };
            assert_eq!(end.session.stream_action(), action, "{role:?}");
            end.session.on_stream_end();
            assert_eq!(end.session.ready_state(), ReadyState::Closed);
            let reason = reason.to_owned();
            let expected = Outcome { code: outcome, reason, clean: true, failure: None };
            assert_eq!(end.session.outcome(), expected, "{role:?}");
        }
    }
}

#[test]
fn an_answered_close_ends_cleanly_with_the_peers_code() {
    for role in ROLES {
        let mut end = End::new(role);
        end.close(1001, "ours").unwrap();
        end.flush();
        assert!(end.hear(&MESSAGE) && !end.hear_close(Some(1000), "theirs"), "{role:?}");
        assert!(end.session.queue().is_empty(), "{role:?}");
        end.session.on_stream_end();
        let expected =
            Outcome { code: 1000, reason: "theirs".to_owned(), clean: true, failure: None };
        assert_eq!(end.session.outcome(), expected, "{role:?}");
        assert_eq!(end.session.stream_action(), StreamAction::Drop, "{role:?}");
    }
}

#[test]
fn a_failure_says_why_behind_what_was_queued() {
    for (failure, code) in [
        (Failure::Violation(Violation::Masking), 1002),
        (Failure::Violation(Violation::InvalidUtf8), 1007),
        (Failure::Violation(Violation::TooManyEmptyFragments), 1008),
        (Failure::Violation(Violation::MessageTooBig), 1009),
        (Failure::Internal, 1011),
        (Failure::HeartbeatTimeout, 1011),
    ] {
        for role in ROLES {
            let mut end = End::new(role);
            end.send(MessageKind::Text, b"queued").unwrap();
            end.fail(failure);
            // A dead peer is told in vain, and not waited for.
            let (action, state) = match failure {
                Failure::HeartbeatTimeout => (StreamAction::Drop, ReadyState::Closed),
                _ => (StreamAction::EndAfterFlush, ReadyState::Closing),
            };
            assert_eq!(end.session.stream_action(), action, "{failure:?}");
            assert_eq!(end.session.ready_state(), state, "{failure:?}");
            let close = Got::Close(Some(code), String::new());
            assert_eq!(end.flush(), [text("queued"), close], "{failure:?}, {role:?}");
            end.session.on_stream_end();
            let (code, reason) = (1006, String::new());
            let expected = Outcome { code, reason, clean: false, failure: Some(failure) };
            assert_eq!(end.session.outcome(), expected, "{role:?}");
        }
    }
}

#[test]
fn after_any_failure_nothing_is_delivered_or_sent() {
    for failure in [
        Failure::Aborted,
        Failure::Entropy,
        Failure::Internal,
        Failure::TlsTruncated,
        Failure::WriteTimeout,
        Failure::Violation(Violation::Masking),
    ] {
        for role in ROLES {
            let mut end = End::new(role);
            end.fail(failure);
            let queued = end.session.queue().len();
            for event in [MESSAGE, Event::Ping(b""), Event::Pong(b"")] {
                assert!(!end.hear(&event), "{failure:?}, {role:?}, {event:?}");
            }
            assert!(!end.hear_close(Some(1000), ""), "{failure:?}, {role:?}");
            let sent = end.send(MessageKind::Text, b"");
            assert_eq!(sent, Err(SendError::Closed), "{failure:?}, {role:?}");
            assert_eq!(end.session.queue().len(), queued, "{failure:?}, {role:?}");
            assert_eq!(end.session.outcome().failure, Some(failure), "{role:?}");
        }
    }
}

#[test]
fn failures_that_the_peer_need_not_know_of_drop_the_stream() {
    for failure in [
        Failure::Aborted,
        Failure::CloseTimeout,
        Failure::Entropy,
        Failure::OpenTimeout,
        Failure::TlsTruncated,
        Failure::WriteTimeout,
    ] {
        let mut end = End::new(Role::Server);
        end.fail(failure);
        assert!(end.session.queue().is_empty(), "{failure:?}");
        assert_eq!(end.session.stream_action(), StreamAction::Drop, "{failure:?}");
        assert_eq!(end.session.deadline(), None, "{failure:?}");
    }
}

#[test]
fn the_first_failure_counts() {
    let first = Failure::Violation(Violation::ReservedBit);
    for second in [Failure::Internal, Failure::Aborted, Failure::Violation(Violation::Masking)] {
        for role in ROLES {
            let mut end = End::new(role);
            end.fail(first);
            end.fail(second);
            let dropped = end.session.stream_action() == StreamAction::Drop;
            assert_eq!(dropped, second == Failure::Aborted, "{second:?}");
            assert_eq!(end.flush(), [Got::Close(Some(1002), String::new())], "{second:?}");
            end.session.on_stream_broken(Some(104));
            end.session.on_stream_end();
            end.fail(second);
            assert_eq!(end.session.outcome().failure, Some(first), "{second:?}, {role:?}");
        }
    }
}

#[test]
fn an_abort_drops_the_stream_of_a_connection_that_is_failing() {
    let mut end = End::new(Role::Server);
    end.fail(Failure::Internal);
    end.fail(Failure::Aborted);
    assert_eq!(end.session.stream_action(), StreamAction::Drop);
    assert_eq!(end.session.outcome().failure, Some(Failure::Internal));
}

#[test]
fn a_close_without_a_masking_key_ends_the_stream_without_a_word() {
    for theirs in [false, true] {
        let mut end = End::new(Role::Client);
        end.keys = Keys::none();
        if theirs {
            end.hear_close(Some(1000), "");
        } else {
            end.close(1000, "").unwrap();
        }
        assert_eq!(end.session.stream_action(), StreamAction::Drop, "theirs: {theirs}");
        let outcome = end.session.outcome();
        assert_eq!((outcome.clean, outcome.failure), (false, Some(Failure::Entropy)));
    }
}

#[test]
fn the_end_of_the_stream_is_judged_by_the_closing_handshake() {
    type Act = fn(&mut End);
    let open: Act = |_| {};
    let unsent: Act = |end| assert!(!end.hear_close(Some(1001), "why"));
    let echoed: Act = |end| {
        end.hear_close(Some(1001), "why");
        end.flush();
    };
    let closing: Act = |end| {
        end.close(1000, "").unwrap();
        end.flush();
    };
    let answered: Act = |end| {
        end.close(1000, "").unwrap();
        end.hear_close(None, "");
        end.flush();
    };
    let failed: Act = |end| end.fail(Failure::Internal);
    let ended = Some(Failure::StreamEnded);
    let reset = Some(Failure::Reset(Some(104)));
    let internal = Some(Failure::Internal);
    let cut = Some(Failure::CloseUnsent);
    for (name, act, code, clean, at_end, if_broken) in [
        ("open", open, 1006, false, ended, reset),
        ("closing", closing, 1006, false, ended, reset),
        ("echoed", echoed, 1001, true, None, None),
        ("echo not out", unsent, 1001, false, cut, cut),
        ("answered without a code", answered, 1005, true, None, None),
        ("failed", failed, 1006, false, internal, internal),
    ] {
        for role in ROLES {
            for (broken, failure) in [(false, at_end), (true, if_broken)] {
                let mut end = End::new(role);
                act(&mut end);
                match broken {
                    true => end.session.on_stream_broken(Some(104)),
                    false => end.session.on_stream_end(),
                }
                let outcome = end.session.outcome();
                let found = (outcome.code, outcome.clean, outcome.failure);
                assert_eq!(found, (code, clean, failure), "{name}, {role:?}, broken: {broken}");
                assert_eq!(end.session.ready_state(), ReadyState::Closed, "{name}");
                assert_eq!(end.session.stream_action(), StreamAction::Drop, "{name}");
                assert!(!end.hear(&MESSAGE), "{name}");
                assert_eq!(end.session.deadline(), None, "{name}, {role:?}");
            }
        }
    }
}

#[test]
fn failures_and_refusals_name_the_option_that_matters() {
    for (text, word) in [
        (Failure::WriteTimeout.to_string(), "write_timeout"),
        (Failure::CloseTimeout.to_string(), "close_timeout"),
        (Failure::HeartbeatTimeout.to_string(), "ping_timeout"),
        (Failure::OpenTimeout.to_string(), "open_timeout"),
        (Failure::Violation(Violation::MessageTooBig).to_string(), "max_message"),
        (SendError::Full { buffered: 7, limit: 5 }.to_string(), "max_send_buffer"),
        (SendError::TooLong.to_string(), "125"),
    ] {
        assert!(text.contains(word), "{text}");
    }
}
