// Loops, timers and TLS of tightwire.hpp, which includes this.
#ifndef TIGHTWIRE_LOOP_HPP
#define TIGHTWIRE_LOOP_HPP

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "tightwire_callback.hpp"
#include "tightwire_error.hpp"
#include "tightwire_id.hpp"

namespace tw {
inline namespace v1 {

/// Trust and keys for wss://; see tw_tls_opts. Any thread.
class tls {
public:
    /// From `options`, whose `size` is set here. Throws errc::tls for a file that is missing or not what it should be,
    /// errc::invalid_argument for options that make no sense.
    explicit tls(tw_tls_opts options) : id_{0} {
        tw_error why = tw_error();
        detail::check(make(options, why), why);
    }
    /// The same with the failure as a value, and as a sentence in `why` unless that is nullptr. id() is none then.
    tls(tw_tls_opts options, std::error_code &failed, std::string *why = nullptr) : id_{0} {
        tw_error text = tw_error();
        tw_status status = make(options, text);
        detail::tell(status, text, failed, why);
    }
    /// For a client that trusts only the certificates in this PEM file.
    static tls trust(const std::string &ca_file) { return tls(trusting(ca_file)); }
    /// The same with the failure as a value.
    static tls trust(const std::string &ca_file, std::error_code &failed, std::string *why = nullptr) {
        return tls(trusting(ca_file), failed, why);
    }
    /// For a server, from two PEM files.
    static tls identity(const std::string &cert_file, const std::string &key_file) {
        return tls(identifying(cert_file, key_file));
    }
    /// The same with the failure as a value.
    static tls identity(const std::string &cert_file, const std::string &key_file, std::error_code &failed,
                        std::string *why = nullptr) {
        return tls(identifying(cert_file, key_file), failed, why);
    }
    /// What uses it keeps it.
    ~tls() { tw_tls_free(id_.value); }
    tls(tls &&other) noexcept : id_(other.id_) { other.id_ = tls_id{0}; }
    tls &operator=(tls &&other) noexcept {
        std::swap(id_, other.id_);
        return *this;
    }
    /// `options.tls = own.id().value` in the options of a client or a server.
    tls_id id() const noexcept { return id_; }

private:
    tw_status make(tw_tls_opts &options, tw_error &why) noexcept {
        options.size = sizeof options;
        return tw_tls_new(&options, &id_.value, &why);
    }
    static tw_tls_opts trusting(const std::string &ca_file) noexcept {
        tw_tls_opts options = tw_tls_opts();
        options.ca_file = ca_file.c_str();
        options.flags = TW_TLS_ONLY_THESE_CAS;
        return options;
    }
    static tw_tls_opts identifying(const std::string &cert_file, const std::string &key_file) noexcept {
        tw_tls_opts options = tw_tls_opts();
        options.cert_file = cert_file.c_str();
        options.key_file = key_file.c_str();
        return options;
    }

    tls_id id_;
};

/// An event loop. Pick one way to drive it: run(), poll() or start().
class loop {
public:
    /// With all defaults. Throws errc::no_memory when the system gives no descriptors.
    loop() : loop(tw_loop_opts()) {}
    /// With `options`, whose `size` is set here.
    explicit loop(tw_loop_opts options) : state_(std::make_shared<detail::loop_state>()) {
        tw_error why = tw_error();
        detail::check(make(options, why), why);
    }
    /// The same with the failure as a value, and as a sentence in `why` unless that is nullptr. Every call on such a
    /// loop fails with errc::handle.
    explicit loop(std::error_code &failed, std::string *why = nullptr) : loop(tw_loop_opts(), failed, why) {}
    loop(tw_loop_opts options, std::error_code &failed, std::string *why = nullptr)
        : state_(std::make_shared<detail::loop_state>()) {
        tw_error text = tw_error();
        tw_status status = make(options, text);
        detail::tell(status, text, failed, why);
    }
    /// Frees it: what still lives is closed, and onclose comes from here.
    ~loop() {
        if (state_) {
            detail::loop_state::driving here(state_.get());
            tw_loop_free(state_->id, 0);
        }
    }
    loop(loop &&) noexcept = default;
    loop &operator=(loop &&other) noexcept {
        state_.swap(other.state_);
        return *this;
    }

    /// Drives the loop until stop(); throws what a callback threw. See tw_loop_run.
    void run() { detail::check(drive(&tw_loop_run)); }
    /// Waits up to `timeout_ms` (0: not at all, negative: as long as it takes) and does what there is. Throws what a
    /// callback threw. See tw_loop_poll.
    void poll(int timeout_ms) {
        detail::check(drive([=](tw_loop id) { return tw_loop_poll(id, timeout_ms); }));
    }
    /// The same with the failure as a value. What a callback threw is thrown all the same; without exceptions there
    /// is none.
    void run(std::error_code &failed) { failed = make_error_code(drive(&tw_loop_run)); }
    void poll(int timeout_ms, std::error_code &failed) {
        failed = make_error_code(drive([=](tw_loop id) { return tw_loop_poll(id, timeout_ms); }));
    }
    /// Has a thread of the library drive the loop until stop() or the destructor. Callbacks run there, and an exception
    /// that leaves one goes to on_exception(). See tw_loop_start.
    void start() { detail::check(begin()); }
    /// The same with the failure as a value.
    void start(std::error_code &failed) noexcept { failed = make_error_code(begin()); }
    /// The same after on_exception(handler).
    void start(std::function<void(std::exception_ptr)> handler) {
        on_exception(std::move(handler));
        start();
    }
    void start(std::function<void(std::exception_ptr)> handler, std::error_code &failed) {
        on_exception(std::move(handler));
        start(failed);
    }
    /// What gets the exceptions that leave callbacks on the thread of start(), on that thread; the loop goes on. Without
    /// a handler, and if it throws itself, the program ends. From any thread, before start() or later. Exceptions
    /// within run() and poll() leave those, and do not come here.
    void on_exception(std::function<void(std::exception_ptr)> handler) {
        if (state_) {
            state_->hand_to(std::move(handler));
        }
    }
    /// Has `ready` called from a thread of the library when poll(0) has work: it may do no more than poke your
    /// own loop. The loop is to be made with TW_LOOP_WAITER. See tw_loop_on_ready.
    void on_ready(void (*ready)(void *user), void *user) { detail::check(tw_loop_on_ready(number(), ready, user)); }
    /// The same with the failure as a value.
    void on_ready(void (*ready)(void *user), void *user, std::error_code &failed) noexcept {
        failed = make_error_code(tw_loop_on_ready(number(), ready, user));
    }
    /// From any thread, any callback and any signal handler.
    void stop() noexcept { tw_loop_stop(number()); }
    /// Readable exactly while poll(0) has work. See tw_loop_fd.
    std::intptr_t fd() const {
        std::intptr_t descriptor = -1;
        detail::check(tw_loop_fd(number(), &descriptor));
        return descriptor;
    }
    /// The same with the failure as a value; -1 then.
    std::intptr_t fd(std::error_code &failed) const noexcept {
        std::intptr_t descriptor = -1;
        failed = make_error_code(tw_loop_fd(number(), &descriptor));
        return descriptor;
    }
    /// Has `job` called by the thread that drives the loop. From any thread. See tw_post.
    void post(std::function<void()> job) { detail::check(give(std::move(job))); }
    /// The same with the failure as a value.
    void post(std::function<void()> job, std::error_code &failed) { failed = make_error_code(give(std::move(job))); }
    /// Its name for functions of C; none once it was moved from.
    loop_id id() const noexcept { return loop_id{number()}; }
    /// What callbacks share with their loop; not for applications.
    const std::shared_ptr<detail::loop_state> &state() const noexcept { return state_; }

private:
    struct posted {
        std::shared_ptr<detail::loop_state> state;
        std::function<void()> job;
    };
    static void run_posted(void *user) noexcept {
        std::unique_ptr<posted> made(static_cast<posted *>(user));
        made->state->guard([&] { made->job(); });
    }
    tw_loop number() const noexcept { return state_ ? state_->id : 0; }
    tw_status make(tw_loop_opts &options, tw_error &why) noexcept {
        options.size = sizeof options;
        return tw_loop_new(&options, &state_->id, &why);
    }
    tw_status begin() noexcept {
        // Before the call: callbacks may come before it returns.
        bool before = !state_ || state_->own_thread.exchange(true);
        tw_status status = tw_loop_start(number());
        if (status != TW_OK && !before) {
            state_->own_thread = false;
        }
        return status;
    }
    tw_status give(std::function<void()> &&job) {
        std::unique_ptr<posted> made(new posted{state_, std::move(job)});
        tw_status status = tw_post(number(), &loop::run_posted, made.get());
        if (status == TW_OK) {
            made.release();
        }
        return status;
    }
    template <class F> tw_status drive(F turns) {
        // A callback may move the loop away.
        std::shared_ptr<detail::loop_state> state = state_;
        tw_status status;
        {
            detail::loop_state::driving here(state.get());
            status = turns(number());
        }
        if (state && state->thrown && status == TW_OK) {
            std::exception_ptr thrown = std::move(state->thrown);
            state->thrown = nullptr;
            std::rethrow_exception(thrown);
        }
        return status;
    }
    std::shared_ptr<detail::loop_state> state_;
};

/// A function that a loop calls when it is time; the destructor stops it. To be made, moved and destroyed
/// like tw::websocket, also within its own function.
class timer {
public:
    /// None.
    timer() noexcept : id_{0} {}
    /// After `after_ms` and, unless `every_ms` is 0, again every `every_ms`. See tw_timer_start.
    timer(loop &on, std::uint32_t after_ms, std::function<void()> job, std::uint32_t every_ms = 0)
        : id_{0}, block_(std::make_shared<block>(on.state(), std::move(job))) {
        detail::check(begin(on, after_ms, every_ms));
    }
    /// The same with the failure as a value; it is no timer then.
    timer(loop &on, std::uint32_t after_ms, std::function<void()> job, std::error_code &failed)
        : timer(on, after_ms, std::move(job), 0, failed) {}
    timer(loop &on, std::uint32_t after_ms, std::function<void()> job, std::uint32_t every_ms, std::error_code &failed)
        : id_{0}, block_(std::make_shared<block>(on.state(), std::move(job))) {
        failed = make_error_code(begin(on, after_ms, every_ms));
    }
    ~timer() { stop(); }
    timer(timer &&other) noexcept : id_(other.id_), block_(std::move(other.block_)) { other.id_ = timer_id{0}; }
    timer &operator=(timer &&other) noexcept {
        if (this != &other) {
            stop();
            id_ = other.id_;
            block_ = std::move(other.block_);
            other.id_ = timer_id{0};
        }
        return *this;
    }
    /// Its function is not called any more. Does nothing on one that is over.
    void stop() noexcept {
        if (id_) {
            tw_timer_stop(id_.value);
            id_ = timer_id{0};
        }
        block_.reset();
    }
    /// Its name for functions of C.
    timer_id id() const noexcept { return id_; }

private:
    struct block : std::enable_shared_from_this<block> {
        block(const std::shared_ptr<detail::loop_state> &on, std::function<void()> &&what)
            : state(on), job(std::move(what)) {}
        std::shared_ptr<detail::loop_state> state;
        std::function<void()> job;
    };
    static void call(void *user) noexcept {
        // Its timer may be destroyed meanwhile.
        std::shared_ptr<block> alive = static_cast<block *>(user)->shared_from_this();
        alive->state->guard([&] { alive->job(); });
    }
    tw_status begin(loop &on, std::uint32_t after_ms, std::uint32_t every_ms) noexcept {
        return tw_timer_start(on.id().value, after_ms, every_ms, &timer::call, block_.get(), &id_.value);
    }
    timer_id id_;
    std::shared_ptr<block> block_;
};

} // namespace v1
} // namespace tw

#endif
