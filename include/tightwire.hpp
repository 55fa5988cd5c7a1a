// tightwire for C++11 and later: a thin, header-only layer over tightwire.h.
//
//   tw::loop loop;
//   tw::websocket ws;
//   ws.onopen = [&](const tw::open_event &) { ws.send("hello"); };
//   ws.onmessage = [&](const tw::message &m) { std::cout << m.text() << '\n'; ws.close(1000); };
//   ws.onclose = [&](const tw::close_event &) { loop.stop(); };
//   ws.connect(loop, "ws://127.0.0.1:9001");
//   loop.run();
//
// Callbacks run on the thread that is in run(), poll() or the loop's destructor. An exception that one
// throws stops the loop and leaves run() or poll(). tw::websocket and tw::server are to be made,
// moved, changed and destroyed on that thread too; after the destructor no callback runs. A loop has
// to outlive its connections and servers, or be destroyed on its thread while they are silent.
// send(), ping(), close(), abort() and the getters may be called from any thread.
#ifndef TIGHTWIRE_HPP
#define TIGHTWIRE_HPP

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
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
    void finish(tw_status status) {
        if (state_->thrown) {
            std::exception_ptr thrown = state_->thrown;
            state_->thrown = nullptr;
            std::rethrow_exception(thrown);
        }
        detail::check(status);
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

/// A connection by its name, as a server's callbacks get it; copy and keep it as you like.
class connection {
public:
    connection() noexcept : id_{0} {}
    explicit connection(ws_id id) noexcept : id_(id) {}
    ws_id id() const noexcept { return id_; }

    void send(const std::string &text) const { detail::check(try_send(text)); }
    void send(const void *data, std::size_t size) const { detail::check(try_send(TW_BINARY, data, size)); }
    void send(const message &same) const { detail::check(try_send(same.flags(), same.data(), same.size())); }
    /// TW_EAGAIN and the like as a value.
    tw_status try_send(const std::string &text) const noexcept {
        return tw_send(id_.value, TW_TEXT, text.data(), text.size());
    }
    tw_status try_send(std::uint32_t flags, const void *data, std::size_t size) const noexcept {
        return tw_send(id_.value, flags, data, size);
    }
    /// As send(), but compressed whatever the size (true) or never (false), where compression was agreed upon.
    void send(const std::string &text, bool compress) const {
        detail::check(try_send(TW_TEXT | (compress ? TW_DEFLATE : TW_NODEFLATE), text.data(), text.size()));
    }
    void send(const char *text, bool compress) const { send(std::string(text), compress); }
    void send(const void *data, std::size_t size, bool compress) const {
        detail::check(try_send(TW_BINARY | (compress ? TW_DEFLATE : TW_NODEFLATE), data, size));
    }
    void ping(const std::string &payload = std::string()) const {
        detail::check(tw_ping(id_.value, payload.data(), payload.size()));
    }
    /// Code 0 sends none. On a connection that is gone it does nothing.
    void close(int code = 0, const std::string &reason = std::string()) const {
        tw_status status = tw_close(id_.value, code, reason.c_str());
        if (status != TW_EHANDLE) {
            detail::check(status);
        }
    }
    void abort() const noexcept { tw_abort(id_.value); }
    /// Reads nothing until resume(); see tw_pause.
    void pause() const noexcept { tw_pause(id_.value); }
    void resume() const noexcept { tw_resume(id_.value); }
    tw::ready_state ready_state() const noexcept {
        return static_cast<tw::ready_state>(tw_ready_state(id_.value));
    }
    std::uint64_t buffered_amount() const noexcept { return tw_buffered_amount(id_.value); }
    std::string url() const { return detail::text_of(id_.value, TW_STR_URL); }
    std::string protocol() const { return detail::text_of(id_.value, TW_STR_PROTOCOL); }
    std::string extensions() const { return detail::text_of(id_.value, TW_STR_EXTENSIONS); }
    std::string remote() const { return detail::text_of(id_.value, TW_STR_REMOTE); }
    /// Bytes before and after compression, and latency_ns; zeros on a connection that is gone.
    tw_stats stats() const noexcept {
        tw_stats counts = tw_stats();
        counts.size = sizeof counts;
        tw_get_stats(id_.value, &counts);
        return counts;
    }

protected:
    ws_id id_;
};

/// A client connection, shaped like the browser's WebSocket. Set the callbacks, then connect().
class websocket : public connection {
public:
    std::function<void(const open_event &)> onopen;
    std::function<void(const message &)> onmessage;
    std::function<void(const message &)> onping;
    std::function<void(const message &)> onpong;
    std::function<void(std::uint64_t)> ondrain;
    std::function<void(const error &)> onerror;
    std::function<void(const close_event &)> onclose;
    /// With tw_client_opts::reconnect: returns the milliseconds to wait before the next attempt, a
    /// negative number to give up. Without it the policy decides.
    std::function<std::int64_t(const reconnect_event &)> onreconnect;

    websocket() noexcept : block_(nullptr) {}
    ~websocket() { let_go(); }
    websocket(websocket &&other) noexcept : block_(nullptr) { take(other); }
    websocket &operator=(websocket &&other) noexcept {
        if (this != &other) {
            let_go();
            take(other);
        }
        return *this;
    }

    /// Starts to connect; `options` for everything but url, protocols, events and user.
    void connect(loop &on, const std::string &url,
                 const std::vector<std::string> &protocols = std::vector<std::string>(),
                 tw_client_opts options = tw_client_opts()) {
        let_go();
        tw_events events = detail::no_events();
        events.on_open = [](tw_ws, void *user, const tw_open_ev *event) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onopen, open_event(*event)); });
        };
        events.on_message = [](tw_ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onmessage, message(*event)); });
        };
        events.on_ping = [](tw_ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onping, message(*event)); });
        };
        events.on_pong = [](tw_ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onpong, message(*event)); });
        };
        events.on_drain = [](tw_ws, void *user, std::uint64_t buffered) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.ondrain, buffered); });
        };
        events.on_error = [](tw_ws, void *user, const tw_error *why) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onerror, error(*why)); });
        };
        events.on_close = [](tw_ws, void *user, const tw_close_ev *event) noexcept {
            std::unique_ptr<block> last(&of(user));
            websocket *owner = last->owner;
            if (owner) {
                // From here on the owner may be destroyed, or connect anew.
                owner->block_ = nullptr;
                last->state->guard([&] { detail::call_if(owner->onclose, detail::make_close(event)); });
            }
        };
        events.on_reconnect = [](tw_ws, void *user, const tw_reconnect_ev *event) noexcept -> std::int64_t {
            std::int64_t wait = event->wait_ms;
            of(user).call([&](websocket &ws) {
                wait = detail::ask(wait, ws.onreconnect, detail::make_reconnect(event));
            });
            return wait;
        };
        std::vector<const char *> offered = detail::pointers(protocols);
        std::unique_ptr<block> made(new block{on.state(), this});
        options.size = sizeof options;
        options.url = url.c_str();
        options.protocols = offered.data();
        options.events = &events;
        options.user = made.get();
        tw_error why;
        detail::check(tw_connect(on.id(), &options, &id_.value, &why), why);
        block_ = made.release();
    }

private:
    /// What the callbacks point at: lives from connect() to on_close, wherever the owner moves.
    struct block {
        std::shared_ptr<detail::loop_state> state;
        websocket *owner;

        template <class F> void call(F &&call) noexcept {
            if (owner) {
                websocket &ws = *owner;
                state->guard([&] { call(ws); });
            }
        }
    };
    static block &of(void *user) noexcept { return *static_cast<block *>(user); }

    void let_go() noexcept {
        if (block_) {
            block_->owner = nullptr;
            block_ = nullptr;
            tw_abort(id_.value);
        }
    }
    void take(websocket &other) noexcept {
        onopen.swap(other.onopen);
        onmessage.swap(other.onmessage);
        onping.swap(other.onping);
        onpong.swap(other.onpong);
        ondrain.swap(other.ondrain);
        onerror.swap(other.onerror);
        onclose.swap(other.onclose);
        onreconnect.swap(other.onreconnect);
        id_ = other.id_;
        block_ = other.block_;
        other.block_ = nullptr;
        other.id_ = ws_id{0};
        if (block_) {
            block_->owner = this;
        }
    }
    block *block_;
};

/// A listening socket and the callbacks of its connections. Set the callbacks, then listen().
/// Its destructor stops listening; connections stay open, and silent.
class server {
public:
    std::function<void(connection, const open_event &)> onopen;
    std::function<void(connection, const message &)> onmessage;
    std::function<void(connection, const message &)> onping;
    std::function<void(connection, const message &)> onpong;
    std::function<void(connection, std::uint64_t)> ondrain;
    std::function<void(connection, const error &)> onerror;
    std::function<void(connection, const close_event &)> onclose;

    server() noexcept : id_{0} {}
    ~server() { close(); }
    server(server &&other) noexcept : id_{0} { take(other); }
    server &operator=(server &&other) noexcept {
        if (this != &other) {
            close();
            take(other);
        }
        return *this;
    }

    /// Starts to listen; `options` for everything but the address, events and user.
    void listen(loop &on, const std::string &address, tw_server_opts options = tw_server_opts()) {
        close();
        tw_events events = detail::no_events();
        events.on_open = [](tw_ws ws, void *user, const tw_open_ev *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onopen, name(ws), open_event(*event)); });
        };
        events.on_message = [](tw_ws ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onmessage, name(ws), message(*event)); });
        };
        events.on_ping = [](tw_ws ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onping, name(ws), message(*event)); });
        };
        events.on_pong = [](tw_ws ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onpong, name(ws), message(*event)); });
        };
        events.on_drain = [](tw_ws ws, void *user, std::uint64_t buffered) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.ondrain, name(ws), buffered); });
        };
        events.on_error = [](tw_ws ws, void *user, const tw_error *why) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onerror, name(ws), error(*why)); });
        };
        events.on_close = [](tw_ws ws, void *user, const tw_close_ev *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onclose, name(ws), detail::make_close(event)); });
        };
        std::unique_ptr<block> made(new block{on.state(), this});
        options.size = sizeof options;
        options.listen = address.c_str();
        options.events = &events;
        options.user = made.get();
        tw_error why;
        detail::check(tw_listen(on.id(), &options, &id_.value, &why), why);
        block_ = std::shared_ptr<block>(made.release());
        // Connections outlive their listener, so the block lives as long as the loop's state.
        keep(on, block_);
    }
    std::uint16_t port() const {
        std::uint16_t number = 0;
        detail::check(tw_server_port(id_.value, &number));
        return number;
    }
    /// Sends to every open connection; returns to how many. See tw_broadcast.
    std::size_t broadcast(const std::string &text) const { return broadcast(TW_TEXT, text.data(), text.size()); }
    std::size_t broadcast(std::uint32_t flags, const void *data, std::size_t size) const {
        std::size_t count = 0;
        detail::check(tw_broadcast(id_.value, flags, data, size, &count));
        return count;
    }
    /// Another certificate for connections from now on; any thread. See tw_server_set_tls.
    void set_tls(const tls &with) { detail::check(tw_server_set_tls(id_.value, with.id())); }
    void close() noexcept {
        if (block_) {
            block_->owner = nullptr;
            block_.reset();
            tw_server_close(id_.value, 0);
        }
    }
    server_id id() const noexcept { return id_; }

private:
    struct block {
        std::weak_ptr<detail::loop_state> state;
        server *owner;

        template <class F> void call(F &&call) noexcept {
            std::shared_ptr<detail::loop_state> alive = state.lock();
            if (owner && alive) {
                server &s = *owner;
                alive->guard([&] { call(s); });
            }
        }
    };
    static block &of(void *user) noexcept { return *static_cast<block *>(user); }
    static connection name(tw_ws ws) noexcept { return connection(ws_id{ws}); }
    static void keep(loop &on, const std::shared_ptr<block> &made) { on.state()->kept.push_back(made); }

    void take(server &other) noexcept {
        onopen.swap(other.onopen);
        onmessage.swap(other.onmessage);
        onping.swap(other.onping);
        onpong.swap(other.onpong);
        ondrain.swap(other.ondrain);
        onerror.swap(other.onerror);
        onclose.swap(other.onclose);
        block_.swap(other.block_);
        std::swap(id_, other.id_);
        if (block_) {
            block_->owner = this;
        }
    }
    server_id id_;
    std::shared_ptr<block> block_;
};

} // namespace v1
} // namespace tw

#endif
