// Coroutines over tightwire.hpp, for C++20:
//
//   tw::task talk(tw::loop &loop) {
//       tw::awaitable_websocket ws(loop, "ws://127.0.0.1:9001");
//       co_await ws.open();
//       co_await ws.send("hello");
//       while (std::optional<tw::received> message = co_await ws.receive()) {
//           std::cout << message->text() << '\n';
//           ws.close(1000);
//       }
//       loop.stop();
//   }
//
// A task runs at once up to where it waits, and goes on in the loop's callbacks: on the thread that drives the loop,
// where it has to be started and destroyed, too. An exception that leaves it is kept for get(). At most one
// coroutine waits for each of open(), receive() and send() of a socket. Destroying the socket while one
// waits destroys nothing else: that coroutine is never resumed, and its task frees it.
#ifndef TIGHTWIRE_COROUTINE_HPP
#define TIGHTWIRE_COROUTINE_HPP

#include <coroutine>
#include <deque>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "tightwire.hpp"

namespace tw {
inline namespace v1 {

/// A coroutine that belongs to whoever holds this; destroying it destroys the coroutine, wherever it waits.
class [[nodiscard]] task {
public:
    /// What the language asks for.
    struct promise_type {
        std::exception_ptr failed;
        task get_return_object() noexcept { return task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { failed = std::current_exception(); }
    };

    task(task &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task &operator=(task &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~task() {
        if (handle_) {
            handle_.destroy();
        }
    }
    /// Whether the coroutine is over.
    bool done() const noexcept { return !handle_ || handle_.done(); }
    /// Throws what the coroutine threw, if it did and is over.
    void get() const {
        if (handle_ && handle_.promise().failed) {
            std::rethrow_exception(handle_.promise().failed);
        }
    }

private:
    explicit task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

/// A message that outlives its callback.
class received {
public:
    explicit received(const message &from) : bytes_(from.keep()), text_(from.is_text()) {}
    /// Text, or else binary.
    bool is_text() const noexcept { return text_; }
    /// The payload; no NUL follows.
    const char *data() const noexcept { return reinterpret_cast<const char *>(bytes_.data()); }
    /// Its length in bytes.
    std::size_t size() const noexcept { return bytes_.size(); }
    /// A copy of the payload.
    std::string text() const { return std::string(data(), size()); }
    /// The payload without a copy, valid as long as this object.
    std::string_view view() const noexcept { return std::string_view(data(), size()); }
    /// The same as bytes.
    std::span<const std::byte> span() const noexcept { return std::as_bytes(bytes_.span()); }
    /// What holds it, to be kept or sent on.
    const buffer &bytes() const noexcept { return bytes_; }

private:
    buffer bytes_;
    bool text_;
};

/// A client connection whose events are waited for. Messages that nobody waits for are kept up to a bound; then
/// nothing more is read until some are taken.
class awaitable_websocket {
public:
    /// Starts to connect; `options` as for websocket::connect. `most` messages are kept at most.
    awaitable_websocket(loop &on, const std::string &url,
                        const std::vector<std::string> &protocols = std::vector<std::string>(),
                        tw_client_opts options = tw_client_opts(), std::size_t most = 16)
        : most_(most) {
        listen();
        ws_.connect(on, url, protocols, options);
    }
    /// The same with the failure as a value. open() and receive() of such a socket do not wait.
    awaitable_websocket(loop &on, const std::string &url, std::error_code &failed,
                        const std::vector<std::string> &protocols = std::vector<std::string>(),
                        tw_client_opts options = tw_client_opts(), std::size_t most = 16)
        : most_(most) {
        listen();
        ws_.connect(on, url, failed, protocols, options);
        if (failed) {
            closed_.emplace();
            closed_->code = 1006;
            closed_->error = failed.value();
            closed_->error_text = failed.message();
        }
    }
    awaitable_websocket(const awaitable_websocket &) = delete;
    awaitable_websocket &operator=(const awaitable_websocket &) = delete;

    /// Waits for the opening handshake; throws tw::error if it fails.
    auto open() noexcept { return opening{*this, nullptr}; }
    /// The same with the failure as a value, which has to live until then.
    auto open(std::error_code &failed) noexcept { return opening{*this, &failed}; }
    /// Waits for the next message; none when the connection is over. closed() says why.
    auto receive() noexcept {
        struct waiting {
            awaitable_websocket &ws;
            bool await_ready() const noexcept { return !ws.kept_.empty() || ws.closed_; }
            void await_suspend(std::coroutine_handle<> handle) noexcept { ws.receiving_ = handle; }
            std::optional<received> await_resume() const { return ws.take(); }
        };
        return waiting{*this};
    }
    /// Sends a text, and waits until there is room for it (TW_EAGAIN). Throws tw::error if the connection is not open.
    auto send(text_view text) { return sending{*this, TW_TEXT, std::string(text.data(), text.size()), nullptr}; }
    /// The same for bytes.
    auto send(const void *data, std::size_t size) {
        return sending{*this, TW_BINARY, std::string(static_cast<const char *>(data), size), nullptr};
    }
    auto send(bytes_view bytes) { return send(bytes.data(), bytes.size()); }
    /// The same with the failure as a value, which has to live until then.
    auto send(text_view text, std::error_code &failed) {
        return sending{*this, TW_TEXT, std::string(text.data(), text.size()), &failed};
    }
    auto send(const void *data, std::size_t size, std::error_code &failed) {
        return sending{*this, TW_BINARY, std::string(static_cast<const char *>(data), size), &failed};
    }
    auto send(bytes_view bytes, std::error_code &failed) { return send(bytes.data(), bytes.size(), failed); }
    /// As connection::close.
    void close(int code = 1000, const std::string &reason = std::string()) { ws_.close(code, reason); }
    /// The same with the failure as a value.
    void close(int code, const std::string &reason, std::error_code &failed) noexcept { ws_.close(code, reason, failed); }
    /// How the connection ended, once it has.
    const std::optional<close_event> &closed() const noexcept { return closed_; }
    /// The connection itself, for what needs no waiting.
    const connection &get() const noexcept { return ws_; }

private:
    struct opening {
        awaitable_websocket &ws;
        std::error_code *failed;
        bool await_ready() const noexcept { return ws.opened_ || ws.closed_; }
        void await_suspend(std::coroutine_handle<> handle) noexcept { ws.opening_ = handle; }
        void await_resume() const {
            if (failed) {
                *failed = ws.opened_ ? std::error_code() : ws.failure().error_code();
            } else if (!ws.opened_) {
                detail::raise(ws.failure());
            }
        }
    };
    struct sending {
        awaitable_websocket &ws;
        std::uint32_t kind;
        std::string data;
        std::error_code *failed;
        tw_status status = TW_OK;
        bool await_ready() noexcept {
            status = ws.ws_.try_send(kind, data.data(), data.size());
            return status != TW_EAGAIN;
        }
        void await_suspend(std::coroutine_handle<> handle) noexcept { ws.sending_ = handle; }
        void await_resume() {
            if (status == TW_EAGAIN) {
                status = ws.ws_.try_send(kind, data.data(), data.size());
            }
            if (failed) {
                *failed = make_error_code(status);
            } else {
                detail::check(status);
            }
        }
    };

    void listen() {
        ws_.onopen = [this](const open_event &) {
            opened_ = true;
            resume(opening_);
        };
        ws_.onmessage = [this](const message &from) {
            kept_.emplace_back(from);
            if (kept_.size() >= most_) {
                ws_.pause();
                paused_ = true;
            }
            resume(receiving_);
        };
        ws_.ondrain = [this](std::uint64_t) { resume(sending_); };
        ws_.onclose = [this](const close_event &event) {
            closed_ = event;
            closed_->http_headers = nullptr;
            // The last of these may destroy this object with its coroutine.
            std::coroutine_handle<> waiting[] = {std::exchange(opening_, nullptr), std::exchange(receiving_, nullptr),
                                                 std::exchange(sending_, nullptr)};
            for (std::coroutine_handle<> one : waiting) {
                if (one) {
                    one.resume();
                    return;
                }
            }
        };
    }
    error failure() const {
        tw_error why = tw_error();
        why.code = closed_ ? closed_->error : TW_ESTATE;
        why.sys = closed_ ? closed_->sys : 0;
        std::string text = closed_ ? closed_->error_text : tw_strerror(TW_ESTATE);
        text.copy(why.text, sizeof why.text - 1);
        return error(why);
    }
    std::optional<received> take() {
        if (kept_.empty()) {
            return std::nullopt;
        }
        std::optional<received> first(std::move(kept_.front()));
        kept_.pop_front();
        if (paused_ && kept_.size() < most_) {
            paused_ = false;
            ws_.resume();
        }
        return first;
    }
    static void resume(std::coroutine_handle<> &waiting) {
        // Nothing of the object is touched behind this: the coroutine may destroy it.
        if (std::coroutine_handle<> one = std::exchange(waiting, nullptr)) {
            one.resume();
        }
    }

    std::size_t most_;
    bool opened_ = false;
    bool paused_ = false;
    std::deque<received> kept_;
    std::optional<close_event> closed_;
    std::coroutine_handle<> opening_, receiving_, sending_;
    websocket ws_;
};

} // namespace v1
} // namespace tw

#endif
