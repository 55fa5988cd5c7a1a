//! Loops: making, driving, stopping and freeing them.

use std::ffi::{c_int, c_void};
use std::thread;
use std::time::Duration;

use tightwire::EventLoop;

use crate::bridge::User;
use crate::callbacks::tw_loop;
use crate::current;
use crate::edge;
use crate::guard;
use crate::home::Home;
use crate::ids::Names;
use crate::options::{Settings, tw_loop_opts};
use crate::process;
use crate::registry::{self, Entered};
use crate::signals;
use crate::status::{
    Failure, TW_EBUSY, TW_EHANDLE, TW_EINVAL, TW_ENOMEM, TW_EREENTRANT, TW_ESTATE,
    gone_with_its_loop, tw_error, tw_status,
};
use crate::waiter::{self, Waiter};

/// Makes a loop; pick one way to drive it: tw_loop_run, tw_loop_poll or tw_loop_start.
///
/// `options` may be NULL for the defaults. TW_OK and the id in `out`, or TW_EINVAL for a bad
/// argument, TW_EUNSUPPORTED for an option that this library does not know, TW_ENOMEM when the
/// system gave no descriptors or 1023 loops exist. Any thread. The id lives until tw_loop_free.
///
/// # Safety
///
/// The pointers are NULL or valid, and `options` is as long as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_loop_new(
    options: *const tw_loop_opts,
    out: *mut tw_loop,
    error: *mut tw_error,
) -> tw_status {
    let body = || {
        if out.is_null() {
            return Err(Failure::argument("out is NULL"));
        }
        // SAFETY: the caller vouches for `options`.
        let options = unsafe { tw_loop_opts::read(options) }?;
        let id = make(options)?;
        // SAFETY: the caller vouches for `out`.
        Ok(unsafe { edge::store(out, id) }?)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard::reported(0, error, body) }
}

fn make(given: Settings) -> Result<tw_loop, Failure> {
    let Settings { options, log, waiter } = given;
    let waits = waiter;
    let id = registry::settle(|place, base| {
        let mut event_loop = EventLoop::with_options(options)?;
        event_loop.set_thread_start(|start| signals::blocked(start));
        if let Some((level, sink)) = log {
            event_loop.set_log(level, sink);
        }
        let waiter = waits.then(Waiter::new).transpose();
        let waiter = waiter.map_err(|error| Failure::new(TW_ENOMEM, error))?;
        Ok::<_, Failure>(Home::new(Names::new(place, base), event_loop, waiter))
    })?;
    if waits {
        start_waiting(id).inspect_err(|_| {
            tw_loop_free(id, 0);
        })?;
    }
    Ok(id)
}

fn start_waiting(id: tw_loop) -> Result<(), tw_status> {
    let home = registry::enter(id)?;
    let wait = move || {
        // `tw_loop_free` joins this thread before the id dies.
        let Ok(home) = registry::enter(id) else { return };
        // A panic of ours ends the thread.
        guard::status(id, || {
            home.wait();
            Ok(())
        });
    };
    let named = named("tw-wait");
    home.set_waiting_thread(signals::blocked(|| named.spawn(wait)).map_err(|_| TW_ENOMEM)?);
    Ok(())
}

/// Drives the loop on this thread until tw_loop_stop is called. Callbacks run in here.
///
/// TW_OK once it was stopped; TW_EHANDLE, TW_EFORKED; TW_EBUSY while another thread drives the loop,
/// TW_EREENTRANT from a callback. Any thread, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn tw_loop_run(id: tw_loop) -> tw_status {
    guard::status(id, || {
        let home = enter_to_drive(id)?;
        let _driver = home.take_wheel()?;
        home.run()
    })
}

/// Waits for something to do, for `timeout_ms` at most, and does it once. Callbacks run in here. 0
/// never waits, a negative timeout waits as long as it takes. May return early.
///
/// TW_OK, also when nothing happened; TW_EHANDLE, TW_EFORKED; TW_EBUSY while another thread drives
/// the loop, TW_EREENTRANT from a callback. Any thread, one at a time.
#[unsafe(no_mangle)]
pub extern "C" fn tw_loop_poll(id: tw_loop, timeout_ms: c_int) -> tw_status {
    guard::status(id, || {
        let home = enter_to_drive(id)?;
        let _driver = home.take_wheel()?;
        home.poll(u64::try_from(timeout_ms).ok().map(Duration::from_millis))
    })
}

/// Has a thread of the library drive the loop until tw_loop_stop or tw_loop_free. The thread is
/// named `tw-loop` and blocks all signals; callbacks run on it.
///
/// TW_OK; TW_EHANDLE, TW_EFORKED; TW_EBUSY while the loop is driven or being freed; TW_ENOMEM without a
/// thread. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn tw_loop_start(id: tw_loop) -> tw_status {
    guard::status(id, || {
        let home = registry::enter(id)?;
        if home.is_ending() {
            return Err(TW_EBUSY);
        }
        // The new thread takes the wheel over from here.
        let driver = home.take_wheel()?;
        let serve = move || {
            // `tw_loop_free` joins this thread before the id dies.
            let Ok(home) = registry::enter(id) else { return };
            let _driver = home.adopt_wheel();
            // A panic of ours ends the thread.
            guard::status(id, || {
                home.serve();
                Ok(())
            });
        };
        let named = named("tw-loop");
        let spawned = signals::blocked(|| named.spawn(serve)).map_err(|_| TW_ENOMEM)?;
        driver.hand_over();
        home.set_own_thread(spawned);
        Ok(())
    })
}

/// Stores the loop's pollable descriptor (POSIX) in `out`.
///
/// It is readable exactly while tw_loop_poll with timeout 0 has work, timers included, and never
/// changes. Register it once, for reading, level-triggered. The loop owns it: do not read or close
/// it. Ask for it before the first connection if you can.
///
/// TW_OK; TW_EHANDLE, TW_EFORKED; TW_EINVAL if `out` is NULL; TW_EREENTRANT if the first call for this
/// loop comes from a callback; TW_ESHUTDOWN while the loop is being freed. Any thread. While another thread
/// drives the loop the first call waits for the end of that turn, so hold no lock that a callback takes.
///
/// # Safety
///
/// `out` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_loop_fd(id: tw_loop, out: *mut libc::intptr_t) -> tw_status {
    guard::status(id, || {
        if out.is_null() {
            return Err(TW_EINVAL);
        }
        let home = registry::enter(id)?;
        let descriptor = home.descriptor(current::is_inside()).map_err(gone_with_its_loop)?;
        let descriptor = libc::intptr_t::try_from(descriptor).map_err(|_| TW_EINVAL)?;
        // SAFETY: the caller vouches for `out`.
        unsafe { edge::store(out, descriptor) }
    })
}

/// Has `function` called with `user` when tw_loop_poll with timeout 0 has work, once until that poll was
/// made: for hosts that can watch no descriptor but can be poked, by `uv_async_send`, `PostMessage`, a
/// condition variable. The loop needs TW_LOOP_WAITER. NULL takes the function back.
///
/// It is called on the thread of the library that waits (`tw-wait`), or inside this call if there is work
/// already, and may do nothing but poke: of tightwire only tw_post, tw_loop_stop and the calls on a
/// connection that do not wait, tw_send among them.
///
/// TW_OK; TW_ESTATE without TW_LOOP_WAITER; TW_EHANDLE, TW_EFORKED. Any thread. What `user` points at has
/// to live until the function was taken back or the loop is freed.
///
/// # Safety
///
/// `function` may be called with `user` on any thread until the loop is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_loop_on_ready(
    id: tw_loop,
    function: Option<unsafe extern "C-unwind" fn(user: *mut c_void)>,
    user: *mut c_void,
) -> tw_status {
    guard::status(id, || {
        let home = registry::enter(id)?;
        let waiter = home.waiter().ok_or(TW_ESTATE)?;
        let on_ready = function.map(|function| (function, User(user)));
        if let (true, Some((function, user))) = (waiter.set_on_ready(on_ready), on_ready) {
            waiter::tell(function, user);
        }
        Ok(())
    })
}

/// Makes the tw_loop_run or tw_loop_poll that is in progress return after its turn, else the next
/// one at once. Ends the loop's own thread. Connections stay as they are.
///
/// TW_OK; TW_EHANDLE, TW_EFORKED. Any thread, any callback, and any signal handler: it takes no lock,
/// allocates nothing and leaves `errno` alone.
#[unsafe(no_mangle)]
pub extern "C" fn tw_loop_stop(id: tw_loop) -> tw_status {
    guard::status(id, || {
        signals::keeping_errno(|| {
            registry::enter_from_a_signal(id)?.handle().stop();
            Ok(())
        })
    })
}

/// Ends a loop: stops listening, closes every connection with 1001, turns for up to `grace_ms`,
/// aborts what is left, delivers every `on_close`, joins the loop's own thread and frees everything.
/// Callbacks run in here, or on the loop's own thread if it has one. The id is dead
/// when this returns, and with it those of everything in the loop.
///
/// TW_OK; TW_EHANDLE, also for a second call; TW_EBUSY while another thread is in tw_loop_run or
/// tw_loop_poll; TW_EREENTRANT from a callback: use tw_loop_stop there. Any thread.
///
/// In a forked child it closes the child's copies of the loop's descriptors, sends nothing and calls nothing,
/// whatever threads of the parent were doing, and after a fork inside a callback, too; the memory of the loop
/// stays. A descriptor that another thread was just opening or closing when the child was made may stay open.
#[unsafe(no_mangle)]
pub extern "C" fn tw_loop_free(id: tw_loop, grace_ms: u32) -> tw_status {
    guard::status(id, || {
        let home = registry::enter_any_process(id)?;
        if current::is_inside() {
            return Err(TW_EREENTRANT);
        }
        if home.pid() == process::id() {
            home.end(Duration::from_millis(grace_ms.into()))?;
            drop(home.retire());
        } else if home.abandon() {
            home.leave_behind();
        } else {
            return Err(TW_EHANDLE);
        }
        Ok(())
    })
}

/// Has `function` called with `user` by the thread that drives the loop, once and soon, in a turn
/// after this call. Functions run in the order of their posts. What waits when the loop is freed is
/// called by tw_loop_free.
///
/// TW_OK; TW_EHANDLE, TW_EFORKED; TW_EINVAL if `function` is NULL; TW_ESHUTDOWN when the loop is being
/// freed. Any thread, any callback. What `user` points at has to live until the function was called.
///
/// # Safety
///
/// `function` may be called with `user` on the thread that drives the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_post(
    id: tw_loop,
    function: Option<unsafe extern "C-unwind" fn(user: *mut c_void)>,
    user: *mut c_void,
) -> tw_status {
    guard::status(id, || {
        let function = function.ok_or(TW_EINVAL)?;
        let home = registry::enter(id)?;
        let (names, user) = (std::sync::Arc::clone(home.names()), User(user));
        let posted = home.handle().post(Box::new(move |context| {
            let user = user;
            current::with_callback(&names, context, 0, "tw_post", || {
                // SAFETY: a function of the application, given for this.
                unsafe { function(user.0) }
            });
        }));
        if posted { Ok(()) } else { Err(crate::status::TW_ESHUTDOWN) }
    })
}

/// A thread to be, with the stack that Rust would give it without asking the environment.
fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned()).stack_size(2 << 20)
}

fn enter_to_drive(id: tw_loop) -> Result<Entered, tw_status> {
    let home = registry::enter(id)?;
    // A dead id is worth more than the place it is used in.
    if current::is_inside() { Err(TW_EREENTRANT) } else { Ok(home) }
}
