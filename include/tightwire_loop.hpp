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
#include <vector>

#include "tightwire_types.hpp"

namespace tw {
inline namespace v1 {

/// Trust and keys for wss://; see tw_tls_opts.
class tls {
public:
    explicit tls(tw_tls_opts options) : id_(0) {
        options.size = sizeof options;
        tw_error why;
        detail::check(tw_tls_new(&options, &id_, &why), why);
    }
    /// For a client that trusts only the certificates in this PEM file.
    static tls trust(const std::string &ca_file) {
        tw_tls_opts options = tw_tls_opts();
        options.ca_file = ca_file.c_str();
        options.flags = TW_TLS_ONLY_THESE_CAS;
        return tls(options);
    }
    /// For a server, from two PEM files.
    static tls identity(const std::string &cert_file, const std::string &key_file) {
        tw_tls_opts options = tw_tls_opts();
        options.cert_file = cert_file.c_str();
        options.key_file = key_file.c_str();
        return tls(options);
    }
    ~tls() { tw_tls_free(id_); }
    tls(tls &&other) noexcept : id_(other.id_) { other.id_ = 0; }
    tls &operator=(tls &&other) noexcept {
        std::swap(id_, other.id_);
        return *this;
    }
    tw_tls id() const noexcept { return id_; }

private:
    tw_tls id_;
};

/// An event loop.
class loop {
public:
    loop() : state_(std::make_shared<detail::loop_state>()) {
        tw_error why;
        detail::check(tw_loop_new(nullptr, &state_->id, &why), why);
    }
    explicit loop(tw_loop_opts options) : state_(std::make_shared<detail::loop_state>()) {
        options.size = sizeof options;
        tw_error why;
        detail::check(tw_loop_new(&options, &state_->id, &why), why);
    }
    ~loop() {
        if (state_) {
            tw_loop_free(state_->id, 0);
        }
    }
    loop(loop &&) noexcept = default;
    loop &operator=(loop &&other) noexcept {
        state_.swap(other.state_);
        return *this;
    }

    /// Drives the loop until stop(); throws what a callback threw.
    void run() { finish(tw_loop_run(state_->id)); }
    /// Waits up to `timeout_ms` (0: not at all, negative: as long as it takes) and does what there is.
    void poll(int timeout_ms) { finish(tw_loop_poll(state_->id, timeout_ms)); }
    /// The same with the failure as a value. Without exceptions there are none to throw.
    void run(std::error_code &failed) { finish(tw_loop_run(state_->id), failed); }
    void poll(int timeout_ms, std::error_code &failed) { finish(tw_loop_poll(state_->id, timeout_ms), failed); }
    /// Has a thread of the library drive the loop until stop() or the destructor. Callbacks run there. An
    /// exception that leaves one is given to `on_exception` on that thread; without that it ends the
    /// program.
    void start(std::function<void(std::exception_ptr)> on_exception = nullptr) {
        state_->on_exception = std::move(on_exception);
        state_->own_thread = true;
        tw_status status = tw_loop_start(state_->id);
        state_->own_thread = status == TW_OK;
        detail::check(status);
    }
    /// Has `ready` called from a thread of the library when poll(0) has work: it may do no more than poke your
    /// own loop. The loop is to be made with TW_LOOP_WAITER. See tw_loop_on_ready.
    void on_ready(void (*ready)(void *user), void *user) { detail::check(tw_loop_on_ready(state_->id, ready, user)); }
    /// From any thread, any callback and any signal handler.
    void stop() noexcept { tw_loop_stop(state_->id); }
    /// Readable exactly while poll(0) has work.
    std::intptr_t fd() const {
        std::intptr_t descriptor = -1;
        detail::check(tw_loop_fd(state_->id, &descriptor));
        return descriptor;
    }
    /// Has `job` called by the thread that drives the loop. From any thread.
    void post(std::function<void()> job) {
        std::unique_ptr<posted> made(new posted{state_, std::move(job)});
        detail::check(tw_post(state_->id, &loop::run_posted, made.get()));
        made.release();
    }
    tw_loop id() const noexcept { return state_->id; }
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
    void rethrow() {
        if (state_->thrown) {
            std::exception_ptr thrown = state_->thrown;
            state_->thrown = nullptr;
            std::rethrow_exception(thrown);
        }
    }
    void finish(tw_status status) {
        rethrow();
        detail::check(status);
    }
    void finish(tw_status status, std::error_code &failed) {
        rethrow();
        failed = make_error_code(status);
    }
    std::shared_ptr<detail::loop_state> state_;
};

/// A function that a loop calls when it is time; the destructor stops it. To be made, moved and destroyed
/// like tw::websocket, also within its own function.
class timer {
public:
    timer() noexcept : id_(0) {}
    /// After `after_ms` and, unless `every_ms` is 0, again every `every_ms`.
    timer(loop &on, std::uint32_t after_ms, std::function<void()> job, std::uint32_t every_ms = 0)
        : id_(0), block_(std::make_shared<block>(on.state(), std::move(job))) {
        detail::check(tw_timer_start(on.id(), after_ms, every_ms, &timer::call, block_.get(), &id_));
    }
    ~timer() { stop(); }
    timer(timer &&other) noexcept : id_(other.id_), block_(std::move(other.block_)) { other.id_ = 0; }
    timer &operator=(timer &&other) noexcept {
        if (this != &other) {
            stop();
            id_ = other.id_;
            block_ = std::move(other.block_);
            other.id_ = 0;
        }
        return *this;
    }
    void stop() noexcept {
        if (id_ != 0) {
            tw_timer_stop(id_);
            id_ = 0;
        }
        block_.reset();
    }

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
    tw_timer id_;
    std::shared_ptr<block> block_;
};

} // namespace v1
} // namespace tw

#endif
