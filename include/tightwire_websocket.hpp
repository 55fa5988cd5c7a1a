// Client connections of tightwire.hpp, which includes this.
#ifndef TIGHTWIRE_WEBSOCKET_HPP
#define TIGHTWIRE_WEBSOCKET_HPP

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tightwire_connection.hpp"
#include "tightwire_loop.hpp"

namespace tw {
inline namespace v1 {

/// A client connection, shaped like the browser's WebSocket. Set the callbacks, then connect().
class websocket : public connection {
public:
    /// The opening handshake is done: send() works from now on.
    std::function<void(const open_event &)> onopen;
    /// A whole message came in.
    std::function<void(const message &)> onmessage;
    /// Set before connect(): messages come in pieces as they arrive, and onmessage is not called.
    std::function<void(const chunk &)> onchunk;
    /// A ping came in; its pong is on its way already.
    std::function<void(const message &)> onping;
    /// A pong came in, asked for or not.
    std::function<void(const message &)> onpong;
    /// What was queued has mostly left, after it had passed `high_water` or a send gave errc::again. Gets what is
    /// queued still, in bytes.
    std::function<void(std::uint64_t)> ondrain;
    /// The connection fails; onclose follows at once.
    std::function<void(const error &)> onerror;
    /// It is over. Once, and last.
    std::function<void(const close_event &)> onclose;
    /// With tw_client_opts::reconnect: returns the milliseconds to wait before the next attempt, a
    /// negative number to give up. Without it the policy decides.
    std::function<std::int64_t(const reconnect_event &)> onreconnect;

    /// No connection yet.
    websocket() noexcept : block_(nullptr) {}
    /// Ends the connection without a closing handshake. No callback comes any more, whatever thread drives the loop;
    /// one that is running on another is waited for.
    ~websocket() { let_go(); }
    websocket(websocket &&other) noexcept : block_(nullptr) { take(other); }
    websocket &operator=(websocket &&other) noexcept {
        if (this != &other) {
            let_go();
            take(other);
        }
        return *this;
    }

    /// Starts to connect; `options` for everything but size, url, protocols, events and user. Throws
    /// errc::invalid_argument for an argument, which what() names; what happens later is for onclose. Ends the
    /// connection that there was as the destructor does. See tw_connect.
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
        tw_status status = begin(on, url, protocols, options, text);
        detail::tell(status, text, failed, why);
    }

private:
    tw_events callbacks() const {
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
            last->wait_for_connect();
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
        return events;
    }

    tw_status begin(loop &on, const std::string &url, const std::vector<std::string> &protocols,
                    tw_client_opts options, tw_error &why) {
        let_go();
        const tw_events events = callbacks();
        std::vector<const char *> offered = detail::pointers(protocols);
        std::unique_ptr<block> made(new block(on.state(), this));
        options.size = sizeof options;
        options.url = url.c_str();
        options.protocols = offered.data();
        options.events = &events;
        options.user = made.get();
        // Before the call: with a loop that another thread drives, callbacks come before it returns, and wait for it.
        block_ = made.get();
        std::lock_guard<std::mutex> connecting(made->connecting);
        tw_status status = tw_connect(on.id().value, &options, &id_.value, &why);
        if (status == TW_OK) {
            made.release()->named.store(true, std::memory_order_release);
        } else {
            block_ = nullptr;
        }
        return status;
    }

    /// What the callbacks point at: lives from connect() to on_close, wherever the owner moves.
    struct block {
        block(const std::shared_ptr<detail::loop_state> &on, websocket *of) : state(on), owner(of) {}
        std::shared_ptr<detail::loop_state> state;
        websocket *owner;
        /// Held by connect(), until the owner has its id; `named` says the same for less.
        std::mutex connecting;
        std::atomic<bool> named{false};

        void wait_for_connect() noexcept { std::lock_guard<std::mutex> until_it_returns(connecting); }

        template <class F> void call(F &&call) noexcept {
            if (!named.load(std::memory_order_acquire)) {
                wait_for_connect();
            }
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
