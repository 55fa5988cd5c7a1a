// Connections of tightwire.hpp, which includes this.
#ifndef TIGHTWIRE_CONNECTION_HPP
#define TIGHTWIRE_CONNECTION_HPP

#include "tightwire_loop.hpp"

namespace tw {
inline namespace v1 {

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
    /// The same with the failure as a value: errc::again is what to wait for ondrain with.
    void send(const std::string &text, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(text));
    }
    void send(const void *data, std::size_t size, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(TW_BINARY, data, size));
    }
    /// Sends the bytes of a buffer, which are not copied where that can be avoided.
    void send(const buffer &data, std::uint32_t kind = TW_BINARY) const {
        tw_buf *one = tw_buf_ref(data.get());
        tw_status status = tw_send_buf(id_.value, kind, one);
        if (status != TW_OK) {
            tw_buf_unref(one);
            detail::check(status);
        }
    }
    /// A message in parts: begin_text() or begin_binary(), then more() as often as you like, then last(). Whole
    /// messages meanwhile get errc::busy. Text may be cut within a character.
    void begin_text(const void *data, std::size_t size) const { part(TW_TEXT | TW_MORE, data, size); }
    void begin_binary(const void *data, std::size_t size) const { part(TW_BINARY | TW_MORE, data, size); }
    void more(const void *data, std::size_t size) const { part(TW_MORE, data, size); }
    void last(const void *data, std::size_t size) const { part(0, data, size); }
    void ping(const std::string &payload, std::error_code &failed) const noexcept {
        failed = make_error_code(tw_ping(id_.value, payload.data(), payload.size()));
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
    void close(int code, const std::string &reason, std::error_code &failed) const noexcept {
        tw_status status = tw_close(id_.value, code, reason.c_str());
        failed = make_error_code(status == TW_EHANDLE ? TW_OK : status);
    }
    /// Accepts a client that server::onrequest told of, there or later: with the subprotocol that the server
    /// prefers, or with this one, which may be empty. `headers` are "Name: value" each.
    void accept(const std::vector<std::string> &headers = std::vector<std::string>()) const {
        std::vector<const char *> fields = detail::pointers(headers);
        detail::check(tw_accept(id_.value, nullptr, fields.data(), nullptr, nullptr));
    }
    void accept_with(const std::string &protocol,
                     const std::vector<std::string> &headers = std::vector<std::string>()) const {
        std::vector<const char *> fields = detail::pointers(headers);
        detail::check(tw_accept(id_.value, protocol.c_str(), fields.data(), nullptr, nullptr));
    }
    /// Refuses it with an HTTP status from 300 to 599.
    void reject(int http_status, const std::string &body = std::string(),
                const std::vector<std::string> &headers = std::vector<std::string>()) const {
        std::vector<const char *> fields = detail::pointers(headers);
        detail::check(tw_reject(id_.value, http_status, fields.data(), body.data(), body.size()));
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
    /// Our own address and port.
    std::string local() const { return detail::text_of(id_.value, TW_STR_LOCAL); }
    /// Version and cipher suite of TLS; empty over ws://.
    std::string tls() const { return detail::text_of(id_.value, TW_STR_TLS); }
    /// Counts of messages and bytes, compression, and latency_ns; zeros on a connection that is gone.
    tw_stats stats() const noexcept {
        tw_stats counts = tw_stats();
        counts.size = sizeof counts;
        tw_get_stats(id_.value, &counts);
        return counts;
    }

protected:
    ws_id id_;

private:
    void part(std::uint32_t flags, const void *data, std::size_t size) const {
        detail::check(tw_send(id_.value, flags, data, size));
    }
};

/// A client connection, shaped like the browser's WebSocket. Set the callbacks, then connect().
class websocket : public connection {
public:
    std::function<void(const open_event &)> onopen;
    std::function<void(const message &)> onmessage;
    /// Set before connect(): messages come in pieces as they arrive, and onmessage is not called.
    std::function<void(const chunk &)> onchunk;
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
        tw_error why = tw_error();
        detail::check(begin(on, url, protocols, options, why), why);
    }
    /// The same with the failure as a value, and as a sentence in `why` unless that is nullptr.
    void connect(loop &on, const std::string &url, std::error_code &failed,
                 const std::vector<std::string> &protocols = std::vector<std::string>(),
                 tw_client_opts options = tw_client_opts(), std::string *why = nullptr) {
        tw_error text = tw_error();
        failed = make_error_code(begin(on, url, protocols, options, text));
        if (why) {
            *why = text.text;
        }
    }

private:
    tw_status begin(loop &on, const std::string &url, const std::vector<std::string> &protocols,
                    tw_client_opts options, tw_error &why) {
        let_go();
        tw_events events = detail::no_events();
        events.on_open = [](tw_ws, void *user, const tw_open_ev *event) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onopen, open_event(*event)); });
        };
        events.on_message = [](tw_ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onmessage, message(*event)); });
        };
        if (onchunk) {
            events.on_chunk = [](tw_ws, void *user, const tw_msg *event) noexcept {
                of(user).call([&](websocket &ws) { detail::call_if(ws.onchunk, chunk(*event)); });
            };
        }
        events.on_ping = [](tw_ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onping, message(*event)); });
        };
        events.on_pong = [](tw_ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onpong, message(*event)); });
        };
        events.on_drain = [](tw_ws, void *user, std::uint64_t buffered) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.ondrain, buffered); });
        };
        events.on_error = [](tw_ws, void *user, const tw_error *cause) noexcept {
            of(user).call([&](websocket &ws) { detail::call_if(ws.onerror, error(*cause)); });
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
        // Before the call: with a loop that another thread drives, callbacks come before it returns.
        block_ = made.get();
        tw_status status = tw_connect(on.id(), &options, &id_.value, &why);
        if (status == TW_OK) {
            made.release();
        } else {
            block_ = nullptr;
        }
        return status;
    }

    /// What the callbacks point at: lives from connect() to on_close, wherever the owner moves.
    struct block {
        std::shared_ptr<detail::loop_state> state;
        websocket *owner;

        template <class F> void call(F &&call) noexcept {
            if (owner) {
                websocket &ws = *owner;
                // The callback may destroy its owner, and this with it.
                std::shared_ptr<detail::loop_state> alive = state;
                alive->guard([&] { call(ws); });
            }
        }
    };
    static block &of(void *user) noexcept { return *static_cast<block *>(user); }

    /// No callback comes after this, whatever thread drives the loop.
    void let_go() noexcept {
        if (id_.value != 0) {
            // A connection that is over has freed the block itself.
            if (tw_detach(id_.value) == TW_OK) {
                delete block_;
            }
            block_ = nullptr;
            id_.value = 0;
        }
    }
    void take(websocket &other) noexcept {
        onopen.swap(other.onopen);
        onmessage.swap(other.onmessage);
        onchunk.swap(other.onchunk);
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

} // namespace v1
} // namespace tw

#endif
