// The values of tightwire.hpp, which includes this: errors, ids, messages and events.
#ifndef TIGHTWIRE_TYPES_HPP
#define TIGHTWIRE_TYPES_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if __cplusplus >= 201703L
#include <string_view>
#endif

#include "tightwire.h"
#include "tightwire_error.hpp"

namespace tw {
inline namespace v1 {

/// As in browsers.
enum class ready_state { connecting = 0, open = 1, closing = 2, closed = 3 };

/// The name of a connection: a number of its own type, never used twice, safe to keep.
struct ws_id {
    tw_ws value;
    friend bool operator==(ws_id a, ws_id b) { return a.value == b.value; }
    friend bool operator!=(ws_id a, ws_id b) { return a.value != b.value; }
    friend bool operator<(ws_id a, ws_id b) { return a.value < b.value; }
};

/// The name of a server.
struct server_id {
    tw_server value;
    friend bool operator==(server_id a, server_id b) { return a.value == b.value; }
    friend bool operator!=(server_id a, server_id b) { return a.value != b.value; }
};

namespace detail {

inline std::vector<std::pair<std::string, std::string>> fields(const tw_headers *from) {
    std::vector<std::pair<std::string, std::string>> made;
    tw_str name, value;
    for (std::size_t i = 0; i < tw_header_count(from); i++) {
        if (tw_header_at(from, i, &name, &value) == TW_OK) {
            made.push_back(std::make_pair(std::string(name.ptr, name.len), std::string(value.ptr, value.len)));
        }
    }
    return made;
}

} // namespace detail

/// Bytes with a count of their owners; copying it copies no bytes. Any thread. See tw_buf.
class buffer {
public:
    buffer() noexcept : buf_(nullptr) {}
    /// So many zero bytes, to be filled.
    explicit buffer(std::size_t size) : buf_(tw_buf_new(size)) { check_memory(); }
    /// Takes over a reference.
    explicit buffer(tw_buf *reference) : buf_(reference) { check_memory(); }
    buffer(const buffer &other) noexcept : buf_(tw_buf_ref(other.buf_)) {}
    buffer(buffer &&other) noexcept : buf_(other.buf_) { other.buf_ = nullptr; }
    buffer &operator=(buffer other) noexcept {
        std::swap(buf_, other.buf_);
        return *this;
    }
    ~buffer() { tw_buf_unref(buf_); }
    unsigned char *data() const noexcept { return static_cast<unsigned char *>(tw_buf_data(buf_, nullptr)); }
    std::size_t size() const noexcept {
        std::size_t len = 0;
        tw_buf_data(buf_, &len);
        return len;
    }
    tw_buf *get() const noexcept { return buf_; }

private:
    void check_memory() const {
        if (!buf_) {
            detail::raise(error(TW_ENOMEM));
        }
    }
    tw_buf *buf_;
};

/// A received message; valid during the callback.
class message {
public:
    explicit message(const tw_msg &from) noexcept : msg_(&from) {}
    bool is_text() const noexcept { return (msg_->flags & TW_TEXT) != 0; }
    const char *data() const noexcept { return static_cast<const char *>(msg_->data); }
    std::size_t size() const noexcept { return msg_->len; }
    /// A copy of the payload.
    std::string text() const { return std::string(data(), size()); }
    std::vector<unsigned char> bytes() const {
        return std::vector<unsigned char>(data(), data() + size());
    }
#if __cplusplus >= 201703L
    std::string_view view() const noexcept { return std::string_view(data(), size()); }
#endif
    std::uint32_t flags() const noexcept { return msg_->flags; }
    /// The payload beyond the callback, without a copy where it is long.
    buffer keep() const { return buffer(tw_buf_keep(msg_)); }

private:
    const tw_msg *msg_;
};

/// A piece of a message; valid during the callback.
class chunk : public message {
public:
    explicit chunk(const tw_msg &from) noexcept : message(from), offset_(from.offset) {}
    bool is_first() const noexcept { return (flags() & TW_FIRST) != 0; }
    bool is_last() const noexcept { return (flags() & TW_MORE) == 0; }
    /// Bytes of the message before this piece.
    std::uint64_t offset() const noexcept { return offset_; }

private:
    std::uint64_t offset_;
};

/// A client that asks to be accepted; valid during the callback.
class request {
public:
    explicit request(const tw_request &from) noexcept : request_(&from) {}
    std::string target() const { return std::string(request_->target.ptr, request_->target.len); }
    std::string host() const { return std::string(request_->host.ptr, request_->host.len); }
    std::string origin() const { return std::string(request_->origin.ptr, request_->origin.len); }
    std::string remote() const { return std::string(request_->remote.ptr, request_->remote.len); }
    /// The subprotocols that it offers, the preferred one first.
    std::vector<std::string> protocols() const {
        std::vector<std::string> made;
        for (std::size_t i = 0; i < request_->protocols_len; i++) {
            made.push_back(std::string(request_->protocols[i].ptr, request_->protocols[i].len));
        }
        return made;
    }
    /// The header field of that name, or nullptr.
    const char *header(const char *name) const noexcept { return tw_header(request_->headers, name, nullptr); }
    /// All header fields, in order.
    std::vector<std::pair<std::string, std::string>> headers() const { return detail::fields(request_->headers); }

private:
    const tw_request *request_;
};

/// What the opening handshake settled; valid during the callback.
class open_event {
public:
    explicit open_event(const tw_open_ev &from) noexcept : event_(&from) {}
    std::string url() const { return std::string(event_->url.ptr, event_->url.len); }
    std::string protocol() const { return std::string(event_->protocol.ptr, event_->protocol.len); }
    std::string extensions() const { return std::string(event_->extensions.ptr, event_->extensions.len); }
    std::string remote() const { return std::string(event_->remote.ptr, event_->remote.len); }
    /// The peer's header field of that name, or nullptr.
    const char *header(const char *name) const noexcept { return tw_header(event_->headers, name, nullptr); }
    /// All of the peer's header fields, in order.
    std::vector<std::pair<std::string, std::string>> headers() const { return detail::fields(event_->headers); }
    /// Connections of this client before it; see tw_reconnect_opts.
    std::uint32_t reconnects() const noexcept { return event_->reconnects; }

private:
    const tw_open_ev *event_;
};

/// One address that a client tried in vain.
struct attempt {
    std::string address;
    std::string cause;
    /// The errno behind it, or 0.
    int sys;
};

/// How a connection ended.
struct close_event {
    int code;
    bool clean;
    std::string reason;
    /// One of the TW_E... numbers, or TW_OK.
    tw_status error;
    std::string error_text;
    int http_status;
    /// Where it went wrong: "dns", "tcp", ...; empty if nothing did.
    std::string phase;
    /// The errno behind it, or 0.
    int sys;
    /// What went wrong as a word that never changes; empty if nothing did. See tw_close_ev.
    std::string error_kind;
    std::string http_reason;
    /// The body that came with http_status, cut at 64 KiB.
    std::string http_body;
    std::vector<attempt> attempts;
    /// Payload bytes that were sent and did not leave.
    std::uint64_t unsent;
    /// The field of that name that came with http_status, or nullptr; valid during the callback.
    const char *header(const char *name) const noexcept { return tw_header(http_headers, name, nullptr); }
    const tw_headers *http_headers;
};

/// A connection that was lost or could not be made, before it comes back.
struct reconnect_event {
    /// What onclose would have said.
    close_event lost;
    /// Which attempt in a row comes next, from 1.
    std::uint32_t attempt;
    /// What the policy decided: milliseconds, -1 to give up.
    std::int64_t wait_ms;
};

namespace detail {

/// Where exceptions of callbacks wait for run() or poll().
struct loop_state {
    tw_loop id = 0;
    std::exception_ptr thrown;
    /// The library's own thread drives the loop: there is nobody to throw to.
    bool own_thread = false;
    std::function<void(std::exception_ptr)> on_exception;
    /// What connections of a server may still point at.
    std::vector<std::shared_ptr<void>> kept;

    template <class F> void guard(F &&call) noexcept {
        if (thrown) {
            return; // on the way out: the first one counts
        }
#if TW_HAS_EXCEPTIONS
        try {
            call();
        } catch (...) {
            if (own_thread) {
                if (!on_exception) {
                    std::terminate();
                }
                on_exception(std::current_exception());
                return;
            }
            thrown = std::current_exception();
            tw_loop_stop(id);
        }
#else
        call();
#endif
    }
};

template <class F, class... A> void call_if(const F &callback, A &&...arguments) {
    if (callback) {
        // A copy, so that a callback may replace or destroy what it is stored in.
        F copy = callback;
        copy(std::forward<A>(arguments)...);
    }
}

/// What the callback answers, or `otherwise` if there is none.
template <class R, class F, class... A> R ask(R otherwise, const F &callback, A &&...arguments) {
    if (!callback) {
        return otherwise;
    }
    F copy = callback;
    return copy(std::forward<A>(arguments)...);
}

inline close_event make_close(const tw_close_ev *event) {
    close_event made;
    made.code = event->code;
    made.clean = event->clean != 0;
    made.reason.assign(event->reason.ptr, event->reason.len);
    made.error = event->error ? event->error->code : TW_OK;
    made.error_text.assign(event->error_text.ptr, event->error_text.len);
    made.http_status = event->http_status;
    made.phase.assign(event->phase.ptr, event->phase.len);
    made.sys = event->error ? event->error->sys : 0;
    made.error_kind.assign(event->error_kind.ptr, event->error_kind.len);
    made.http_reason.assign(event->http_reason.ptr, event->http_reason.len);
    made.http_body.assign(static_cast<const char *>(event->http_body), event->http_body_len);
    for (std::size_t i = 0; i < event->attempts_len; i++) {
        const tw_attempt &from = event->attempts[i];
        attempt to;
        to.address.assign(from.address.ptr, from.address.len);
        to.cause.assign(from.cause.ptr, from.cause.len);
        to.sys = from.sys;
        made.attempts.push_back(to);
    }
    made.unsent = event->unsent;
    made.http_headers = event->http_headers;
    return made;
}

inline reconnect_event make_reconnect(const tw_reconnect_ev *event) {
    reconnect_event made;
    made.lost = make_close(event->lost);
    made.attempt = event->attempt;
    made.wait_ms = event->wait_ms;
    return made;
}

inline std::vector<const char *> pointers(const std::vector<std::string> &from) {
    std::vector<const char *> made;
    for (const std::string &text : from) {
        made.push_back(text.c_str());
    }
    made.push_back(nullptr);
    return made;
}

inline tw_events no_events() {
    tw_events events = tw_events();
    events.size = sizeof events;
    return events;
}

inline std::string text_of(tw_ws ws, int which) {
    std::size_t size = 0;
    if (tw_get_str(ws, which, nullptr, 0, &size) != TW_OK) {
        return std::string();
    }
    std::vector<char> buffer(size);
    if (tw_get_str(ws, which, buffer.data(), buffer.size(), nullptr) != TW_OK) {
        return std::string();
    }
    return std::string(buffer.data());
}

} // namespace detail

} // namespace v1
} // namespace tw

#endif
