//! Functions that a loop calls when it is time.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use tightwire::{Context, EventLoop, TimerId};

use crate::bridge::User;
use crate::callbacks::tw_loop;
use crate::current::{self, Inside};
use crate::edge;
use crate::guard;
use crate::home::Home;
use crate::ids::{Kind, Parts};
use crate::registry;
use crate::status::{
    TW_EHANDLE, TW_EINVAL, TW_ENOMEM, TW_ESHUTDOWN, gone_with_its_loop, tw_status,
};

/// A timer of a loop.
pub type tw_timer = u64;

/// Has `function` called with `user` by the thread that drives the loop, after `after_ms` and, unless
/// `every_ms` is 0, again every `every_ms`. A loop that is late calls it once for all that it missed.
///
/// TW_OK and the id in `out`, which may be NULL. The id of a timer that is not repeated dies with its
/// call, any other with tw_timer_stop; all die with the loop, and then nothing is called. What `user`
/// points at has to live as long. TW_EINVAL if `function` is NULL; TW_EHANDLE, TW_EFORKED; TW_EREENTRANT from
/// `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN while the loop is being freed; TW_ENOMEM with
/// 16777216 timers. Any thread, any callback. While another thread drives the loop it waits for the end of
/// that turn, so hold no lock that a callback takes.
///
/// # Safety
///
/// `function` may be called with `user` on the thread that drives the loop; `out` is NULL or may be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_timer_start(
    id: tw_loop,
    after_ms: u32,
    every_ms: u32,
    function: Option<unsafe extern "C-unwind" fn(user: *mut c_void)>,
    user: *mut c_void,
    out: *mut tw_timer,
) -> tw_status {
    guard::status(id, || {
        let function = function.ok_or(TW_EINVAL)?;
        let home = registry::enter(id)?;
        if home.is_ending() {
            return Err(TW_ESHUTDOWN);
        }
        let parts = Parts::of(id, Kind::Loop).ok_or(TW_EHANDLE)?;
        let (names, user) = (Arc::clone(home.names()), User(user));
        let job = Box::new(move |context: &mut Context<'_>| {
            let user = &user;
            current::with_callback(&names, context, 0, "tw_timer_start", || {
                // SAFETY: a function of the application, given for this.
                unsafe { function(user.0) }
            });
        });
        let after = Duration::from_millis(after_ms.into());
        let every = (every_ms > 0).then(|| Duration::from_millis(every_ms.into()));
        let set = |context: &mut Context<'_>| context.set_timer(after, every, job);
        let timer = if current::is_inside_of(parts.place) {
            current::inside(parts.place, |Inside { context, .. }| set(context)).ok_or(TW_EHANDLE)?
        } else {
            at_rest(&home, set)?
        };
        let timer = home.names().timer(timer.ok_or(TW_ENOMEM)?);
        // SAFETY: the caller vouches for `out`.
        unsafe { edge::store_if_wanted(out, timer) };
        Ok(())
    })
}

/// Forgets a timer, also from within its own function. From the loop's thread its function is not called
/// any more when this returns; from another thread neither, since a call that is running is waited for.
///
/// TW_OK; TW_EHANDLE for a dead id, TW_EFORKED; TW_EREENTRANT from `on_log` and the function of
/// tw_loop_on_ready; TW_ESHUTDOWN while the loop is being freed. Any thread, any callback; hold no lock that a
/// callback takes.
#[unsafe(no_mangle)]
pub extern "C" fn tw_timer_stop(timer: tw_timer) -> tw_status {
    guard::status(timer, || {
        let parts = Parts::of(timer, Kind::Timer).ok_or(TW_EHANDLE)?;
        let home = registry::enter_of(parts)?;
        let id: TimerId = home.names().timer_of(parts);
        let inside =
            current::inside(parts.place, |Inside { context, .. }| context.cancel_timer(id));
        let cancelled = match inside {
            Some(cancelled) => cancelled,
            None => {
                at_rest(&home, |context| context.cancel_timer(id)).map_err(gone_with_its_loop)?
            }
        };
        if cancelled { Ok(()) } else { Err(TW_EHANDLE) }
    })
}

/// Calls `act` between two turns.
fn at_rest<R>(home: &Home, act: impl FnOnce(&mut Context<'_>) -> R) -> Result<R, tw_status> {
    home.wait_and_use(|event_loop: &mut EventLoop| {
        let result = act(&mut event_loop.context());
        // Arms the timer of a foreign loop.
        event_loop.flush();
        result
    })
}
