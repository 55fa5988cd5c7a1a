// Servers of tightwire.hpp, which includes this.
#ifndef TIGHTWIRE_SERVER_HPP
#define TIGHTWIRE_SERVER_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "tightwire_connection.hpp"
#include "tightwire_loop.hpp"

namespace tw {
inline namespace v1 {

/// A listening socket and the callbacks of its connections. Set the callbacks, then listen().
/// Its destructor stops listening; connections stay open, and silent.
class server {
public:
    /// A client's opening handshake is done.
    std::function<void(connection, const open_event &)> onopen;
    /// A whole message came in.
    std::function<void(connection, const message &)> onmessage;
    /// Set before listen(): messages come in pieces as they arrive, and onmessage is not called.
    std::function<void(connection, const chunk &)> onchunk;
    /// Set before listen(): asked for every client. Answer with accept() or reject() of the connection, there or
    /// later, from any thread; see tw_server_opts::on_request.
    std::function<void(connection, const request &)> onrequest;
    /// A ping came in; its pong is on its way already.
    std::function<void(connection, const message &)> onping;
    /// A pong came in, asked for or not.
    std::function<void(connection, const message &)> onpong;
    /// What was queued has mostly left; see websocket::ondrain.
    std::function<void(connection, std::uint64_t)> ondrain;
    /// A connection fails; onclose follows at once.
    std::function<void(connection, const error &)> onerror;
    /// A connection is over. Once for each, and last.
    std::function<void(connection, const close_event &)> onclose;

    /// Listens to nothing yet.
    server() noexcept : id_{0} {}
    /// As close().
    ~server() { close(); }
    server(server &&other) noexcept : id_{0} { take(other); }
    server &operator=(server &&other) noexcept {
        if (this != &other) {
            close();
            take(other);
        }
        return *this;
    }

    /// Starts to listen on "ws://host:port", "wss://host:port" with `options.tls`, or "host:port"; port 0 lets the
    /// system choose. `options` for everything but size, listen, events and user. Throws errc::invalid_argument for
    /// an argument, which what() names, errc::connect if the address cannot be listened on. See tw_listen.
    void listen(loop &on, const std::string &address, tw_server_opts options = tw_server_opts()) {
        tw_error why = tw_error();
        detail::check(begin(on, address, options, why), why);
    }
    /// The same with the failure as a value, and as a sentence in `why` unless that is nullptr.
    void listen(loop &on, const std::string &address, std::error_code &failed,
                tw_server_opts options = tw_server_opts(), std::string *why = nullptr) {
        tw_error text = tw_error();
        tw_status status = begin(on, address, options, text);
        detail::tell(status, text, failed, why);
    }
    /// The port that it listens on.
    std::uint16_t port() const {
        std::uint16_t number = 0;
        detail::check(tw_server_port(id_.value, &number));
        return number;
    }
    /// The same with the failure as a value; 0 then.
    std::uint16_t port(std::error_code &failed) const noexcept {
        std::uint16_t number = 0;
        failed = make_error_code(tw_server_port(id_.value, &number));
        return number;
    }
    /// Sends to every open connection; returns to how many. See tw_broadcast.
    std::size_t broadcast(text_view text) const { return broadcast(TW_TEXT, text.data(), text.size()); }
    std::size_t broadcast(bytes_view bytes) const { return broadcast(TW_BINARY, bytes.data(), bytes.size()); }
    std::size_t broadcast(std::uint32_t flags, const void *data, std::size_t size) const {
        std::size_t count = 0;
        detail::check(tw_broadcast(id_.value, flags, data, size, &count));
        return count;
    }
    /// The same with the failure as a value; 0 then.
    std::size_t broadcast(text_view text, std::error_code &failed) const noexcept {
        return broadcast(TW_TEXT, text.data(), text.size(), failed);
    }
    std::size_t broadcast(bytes_view bytes, std::error_code &failed) const noexcept {
        return broadcast(TW_BINARY, bytes.data(), bytes.size(), failed);
    }
    std::size_t broadcast(std::uint32_t flags, const void *data, std::size_t size,
                          std::error_code &failed) const noexcept {
        std::size_t count = 0;
        failed = make_error_code(tw_broadcast(id_.value, flags, data, size, &count));
        return count;
    }
    /// Another certificate for connections from now on; any thread. Throws errc::invalid_argument without a certificate
    /// and a key, or on a server of ws://. See tw_server_set_tls.
    void set_tls(const tls &with) { detail::check(tw_server_set_tls(id_.value, with.id().value)); }
    /// The same with the failure as a value.
    void set_tls(const tls &with, std::error_code &failed) noexcept {
        failed = make_error_code(tw_server_set_tls(id_.value, with.id().value));
    }
    /// Stops listening; connections stay open, and silent.
    void close() noexcept {
        if (block_) {
            block_->owner = nullptr;
            block_.reset();
            tw_server_close(id_.value, 0);
        }
    }
    /// Stops listening and closes the connections with 1001, too, at the latest after `grace_ms`; their onclose
    /// comes as long as this object is there.
    void close(std::uint32_t grace_ms) noexcept { tw_server_close(id_.value, grace_ms); }
    /// Its name for functions of C.
    server_id id() const noexcept { return id_; }

private:
    tw_status begin(loop &on, const std::string &address, tw_server_opts options, tw_error &why) {
        close();
        tw_events events = detail::no_events();
        events.on_open = [](tw_ws ws, void *user, const tw_open_ev *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onopen, name(ws), open_event(*event)); });
        };
        events.on_message = [](tw_ws ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onmessage, name(ws), message(*event)); });
        };
        if (onchunk) {
            events.on_chunk = [](tw_ws ws, void *user, const tw_msg *event) noexcept {
                of(user).call([&](server &s) { detail::call_if(s.onchunk, name(ws), chunk(*event)); });
            };
        }
        if (onrequest) {
            options.on_request = [](tw_server, void *user, tw_ws ws, const tw_request *asked) noexcept {
                of(user).call([&](server &s) { detail::call_if(s.onrequest, name(ws), request(*asked)); });
            };
        }
        events.on_ping = [](tw_ws ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onping, name(ws), message(*event)); });
        };
        events.on_pong = [](tw_ws ws, void *user, const tw_msg *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onpong, name(ws), message(*event)); });
        };
        events.on_drain = [](tw_ws ws, void *user, std::uint64_t buffered) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.ondrain, name(ws), buffered); });
        };
        events.on_error = [](tw_ws ws, void *user, const tw_error *cause) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onerror, name(ws), error(*cause)); });
        };
        events.on_close = [](tw_ws ws, void *user, const tw_close_ev *event) noexcept {
            of(user).call([&](server &s) { detail::call_if(s.onclose, name(ws), detail::make_close(event)); });
        };
        std::unique_ptr<block> made(new block{on.state(), this});
        options.size = sizeof options;
        options.listen = address.c_str();
        options.events = &events;
        options.user = made.get();
        tw_status status = tw_listen(on.id().value, &options, &id_.value, &why);
        if (status == TW_OK) {
            block_ = std::shared_ptr<block>(made.release());
            // Connections outlive their listener, so the block lives as long as the loop's state.
            keep(on, block_);
        }
        return status;
    }

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
        onchunk.swap(other.onchunk);
        onrequest.swap(other.onrequest);
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
