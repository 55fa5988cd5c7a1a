//! Ending and pausing connections, and the ways from a call of C to one: any thread, any callback, any
//! time.

use std::ffi::{c_char, c_int};

use tightwire::{CloseError, ConnId, Context, ReadyState, Remote};

use crate::callbacks::tw_ws;
use crate::current::{self, Inside};
use crate::edge;
use crate::guard;
use crate::ids::{Kind, Parts};
use crate::registry;
use crate::status::{TW_EHANDLE, TW_EINVAL, TW_EUTF8, tw_status};

/// Starts the closing handshake behind everything that is queued (RFC 6455 section 7.1.2), or gives up
/// a connection that is not open yet. Does nothing on one that is closing already. `on_close` follows,
/// later.
///
/// `code` is 0 for none, or any code that may be sent: 1000-1003, 1007-1014, 3000-4999 (RFC 6455
/// section 7.4); `reason` is NULL or at most 123 bytes of UTF-8, and needs a code. TW_OK; TW_EINVAL for
/// another code or reason; TW_EUTF8 for a reason that is not UTF-8; TW_EHANDLE for a dead id, TW_EFORKED. Any
/// thread, any callback.
///
/// # Safety
///
/// `reason` is NULL or NUL-ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_close(ws: tw_ws, code: c_int, reason: *const c_char) -> tw_status {
    guard::status(ws, || {
        // SAFETY: the caller vouches for `reason`.
        let reason = unsafe { edge::text(reason, "reason") }.map_err(|_| TW_EUTF8)?;
        let reason = reason.unwrap_or_default();
        let code = match code {
            0 => None,
            code => Some(u16::try_from(code).map_err(|_| TW_EINVAL)?),
        };
        let checked = |closed: Result<(), CloseError>| closed.map_err(|_| TW_EINVAL);
        act(
            ws,
            |context, id| {
                alive(context, id)?;
                checked(context.close(id, code, reason))
            },
            |remote| checked(remote.close(code, reason)),
            0,
        )
    })
}

/// Ends the TCP connection without a closing handshake; `on_close` follows, later, with code 1006.
///
/// TW_OK; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback.
#[unsafe(no_mangle)]
pub extern "C" fn tw_abort(ws: tw_ws) -> tw_status {
    guard::status(ws, || {
        act(
            ws,
            |context, id| {
                alive(context, id)?;
                context.abort(id);
                Ok(())
            },
            |remote| {
                remote.abort();
                Ok(())
            },
            0,
        )
    })
}

/// Ends the TCP connection as tw_abort does, and calls nothing for it any more, not even `on_close`: when
/// this returns, `user` is yours. From another thread it waits for a callback that is running, so hold no
/// lock that a callback of this loop takes: that would be a deadlock. Made for destructors.
///
/// TW_OK; TW_EHANDLE for a dead id, of which nothing is called either, TW_EFORKED; TW_EREENTRANT from `on_log`
/// and the function of tw_loop_on_ready. Any thread, any callback, its own included.
#[unsafe(no_mangle)]
pub extern "C" fn tw_detach(ws: tw_ws) -> tw_status {
    guard::status(ws, || {
        let parts = Parts::of(ws, Kind::Connection).ok_or(TW_EHANDLE)?;
        let inside = current::inside(parts.place, |Inside { names, context, ending }| {
            let id = names.connection_of(parts);
            if ending != ws && !context.is_known(id) {
                return Err(TW_EHANDLE);
            }
            names.detached().add(ws);
            context.abort(id);
            Ok(())
        });
        if let Some(result) = inside {
            return result;
        }
        let home = registry::enter_of(parts)?;
        let id = home.names().connection_of(parts);
        let detached = home.wait_and_use(|event_loop| {
            let mut context = event_loop.context();
            if !context.is_known(id) {
                return Err(TW_EHANDLE);
            }
            home.names().detached().add(ws);
            context.abort(id);
            event_loop.flush();
            Ok(())
        });
        // A loop that is gone has told its connections of their end.
        detached.unwrap_or(Err(TW_EHANDLE))
    })
}

/// Reads nothing of a connection until tw_resume: no message comes, pings are not answered, the peer's sends
/// wait in the network, and its silence is not judged. Called on the loop's thread, no `on_message` comes
/// after it returns; from another thread at most the one that is running. tw_close resumes.
///
/// TW_OK; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback.
#[unsafe(no_mangle)]
pub extern "C" fn tw_pause(ws: tw_ws) -> tw_status {
    guard::status(ws, || {
        act(
            ws,
            |context, id| {
                alive(context, id)?;
                context.pause(id);
                Ok(())
            },
            |remote| {
                remote.pause();
                Ok(())
            },
            0,
        )
    })
}

/// Reads again. Does nothing on a connection that is not paused.
///
/// TW_OK; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback.
#[unsafe(no_mangle)]
pub extern "C" fn tw_resume(ws: tw_ws) -> tw_status {
    guard::status(ws, || {
        act(
            ws,
            |context, id| {
                alive(context, id)?;
                context.resume(id);
                Ok(())
            },
            |remote| {
                remote.resume();
                Ok(())
            },
            0,
        )
    })
}

/// Acts on a connection by the shortest way: from one of its loop's callbacks on the loop itself; if
/// nobody uses the loop, by using it; else through its inbox. `at_the_end` is the answer for a
/// connection whose `on_close` is running.
#[inline]
pub(crate) fn act(
    ws: tw_ws,
    directly: impl Fn(&mut Context<'_>, ConnId) -> Result<(), tw_status>,
    remotely: impl FnOnce(&Remote) -> Result<(), tw_status>,
    at_the_end: tw_status,
) -> Result<(), tw_status> {
    let parts = Parts::of(ws, Kind::Connection).ok_or(TW_EHANDLE)?;
    let inside = current::inside(parts.place, |Inside { names, context, ending }| {
        if ending == ws {
            return if at_the_end == 0 { Ok(()) } else { Err(at_the_end) };
        }
        directly(context, names.connection_of(parts))
    });
    if let Some(result) = inside {
        return result;
    }
    let home = registry::enter_of(parts)?;
    let id = home.names().connection_of(parts);
    let used = home.try_use(|event_loop| {
        let result = directly(&mut event_loop.context(), id);
        event_loop.flush();
        result
    });
    if let Some(result) = used {
        return result;
    }
    remotely(&home.handle().remote(id).ok_or(TW_EHANDLE)?)
}

/// Looks at a connection.
pub(crate) fn look<R>(
    ws: tw_ws,
    directly: impl FnOnce(&mut Context<'_>, ConnId) -> R,
    remotely: impl FnOnce(&Remote) -> R,
) -> Result<R, tw_status> {
    let parts = Parts::of(ws, Kind::Connection).ok_or(TW_EHANDLE)?;
    if current::is_inside_of(parts.place) {
        let seen = current::inside(parts.place, |Inside { names, context, .. }| {
            directly(context, names.connection_of(parts))
        });
        return seen.ok_or(TW_EHANDLE);
    }
    let home = registry::enter_of(parts)?;
    let id = home.names().connection_of(parts);
    Ok(remotely(&home.handle().remote(id).ok_or(TW_EHANDLE)?))
}

fn alive(context: &Context<'_>, id: ConnId) -> Result<(), tw_status> {
    match context.ready_state(id) {
        ReadyState::Closed => Err(TW_EHANDLE),
        _ => Ok(()),
    }
}
