// The values of tightwire.hpp, which includes this: buffers, messages and events.
#ifndef TIGHTWIRE_TYPES_HPP
#define TIGHTWIRE_TYPES_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tightwire.h"
#include "tightwire_error.hpp"
#include "tightwire_id.hpp"
#include "tightwire_view.hpp"

namespace tw {
inline namespace v1 {

/// As in browsers.
enum class ready_state {
    /// The opening handshake is not done.
    connecting = 0,
    /// Messages may be sent.
    open = 1,
    /// A closing handshake goes on.
    closing = 2,
    /// It is over, or never was.
    closed = 3
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
    /// None: data() is nullptr.
    buffer() noexcept : buf_(nullptr) {}
    /// So many zero bytes, to be filled.
    explicit buffer(std::size_t size) : buf_(tw_buf_new(size)) { check_memory(); }
    /// Takes over a reference; nullptr, which is what functions of C give without memory, is errc::no_memory.
    explicit buffer(tw_buf *reference) : buf_(reference) { check_memory(); }
    /// The same with the failure as a value; there are no bytes then.
    buffer(std::size_t size, std::error_code &failed) noexcept : buf_(tw_buf_new(size)) { tell_memory(failed); }
    buffer(tw_buf *reference, std::error_code &failed) noexcept : buf_(reference) { tell_memory(failed); }
    /// One more owner of the same bytes.
    buffer(const buffer &other) noexcept : buf_(tw_buf_ref(other.buf_)) {}
    buffer(buffer &&other) noexcept : buf_(other.buf_) { other.buf_ = nullptr; }
    buffer &operator=(buffer other) noexcept {
        std::swap(buf_, other.buf_);
        return *this;
    }
    ~buffer() { tw_buf_unref(buf_); }
    /// The bytes, which stay where they are. Write only as tw_buf_data allows.
    unsigned char *data() const noexcept { return static_cast<unsigned char *>(tw_buf_data(buf_, nullptr)); }
    /// How many there are.
    std::size_t size() const noexcept {
        std::size_t len = 0;
        tw_buf_data(buf_, &len);
        return len;
    }
#if defined(__cpp_lib_span) && __cpp_lib_span >= 202002L
    /// The bytes, valid as long as there is an owner.
    std::span<unsigned char> span() const noexcept { return std::span<unsigned char>(data(), size()); }
#endif
    /// For functions of C; the reference stays here.
    tw_buf *get() const noexcept { return buf_; }

private:
    void tell_memory(std::error_code &failed) const noexcept { failed = make_error_code(buf_ ? TW_OK : TW_ENOMEM); }
    void check_memory() const {
        if (!buf_) {
            detail::raise(error(TW_ENOMEM));
        }
    }
    tw_buf *buf_;
};

/// A received message, or what a ping or pong carried; valid during the callback. Text is valid UTF-8.
class message {
public:
    explicit message(const tw_msg &from) noexcept : msg_(&from) {}
    /// Text, or else binary.
    bool is_text() const noexcept { return (msg_->flags & TW_TEXT) != 0; }
    /// The payload; no NUL follows.
    const char *data() const noexcept { return static_cast<const char *>(msg_->data); }
    /// Its length in bytes.
    std::size_t size() const noexcept { return msg_->len; }
    /// A copy of the payload.
    std::string text() const { return std::string(data(), size()); }
    /// The same as bytes.
    std::vector<unsigned char> bytes() const {
        return std::vector<unsigned char>(data(), data() + size());
    }
#if defined(__cpp_lib_string_view) && __cpp_lib_string_view >= 201606L
    /// The payload without a copy.
    std::string_view view() const noexcept { return std::string_view(data(), size()); }
#endif
#if defined(__cpp_lib_span) && __cpp_lib_span >= 202002L
    /// The same as bytes.
    std::span<const std::byte> span() const noexcept {
        return std::span<const std::byte>(static_cast<const std::byte *>(msg_->data), size());
    }
#endif
    /// TW_TEXT or TW_BINARY, of a chunk also TW_FIRST and TW_MORE; 0 for pings and pongs.
    std::uint32_t flags() const noexcept { return msg_->flags; }
    /// The payload beyond the callback, without a copy where it is long.
    buffer keep() const { return buffer(tw_buf_keep(msg_)); }
    /// The same with the failure as a value, which can only be errc::no_memory.
    buffer keep(std::error_code &failed) const noexcept { return buffer(tw_buf_keep(msg_), failed); }

private:
    const tw_msg *msg_;
};

/// A piece of a message; valid during the callback.
class chunk : public message {
public:
    explicit chunk(const tw_msg &from) noexcept : message(from), offset_(from.offset) {}
    /// A message begins.
    bool is_first() const noexcept { return (flags() & TW_FIRST) != 0; }
    /// It ends.
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
    /// Path and query as they came, not decoded.
    std::string target() const { return std::string(request_->target.ptr, request_->target.len); }
    /// The field Host.
    std::string host() const { return std::string(request_->host.ptr, request_->host.len); }
    /// The field Origin; empty if there is none, as from clients that are no browsers.
    std::string origin() const { return std::string(request_->origin.ptr, request_->origin.len); }
    /// The client's address and port.
    std::string remote() const { return std::string(request_->remote.ptr, request_->remote.len); }
    /// The subprotocols that it offers, the preferred one first.
    std::vector<std::string> protocols() const {
        std::vector<std::string> made;
        for (std::size_t i = 0; i < request_->protocols_len; i++) {
            made.push_back(std::string(request_->protocols[i].ptr, request_->protocols[i].len));
        }
        return made;
    }
    /// The header field of that name, in whatever case, or nullptr.
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
    /// The URL; on a server the one that the client asked for.
    std::string url() const { return std::string(event_->url.ptr, event_->url.len); }
    /// The agreed subprotocol, empty if there is none.
    std::string protocol() const { return std::string(event_->protocol.ptr, event_->protocol.len); }
    /// The agreed extensions, empty if there are none.
    std::string extensions() const { return std::string(event_->extensions.ptr, event_->extensions.len); }
    /// The peer's address and port.
    std::string remote() const { return std::string(event_->remote.ptr, event_->remote.len); }
    /// The peer's header field of that name, in whatever case, or nullptr.
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
    /// With its port, or the path of a Unix domain socket.
    std::string address;
    /// What the system said.
    std::string cause;
    /// The errno behind it, or 0.
    int sys;
};

/// How a connection ended.
struct close_event {
    /// The peer's close code; 1005 if it sent none, 1006 if there was no closing handshake.
    int code;
    /// The closing handshake was completed.
    bool clean;
    /// The peer's reason.
    std::string reason;
    /// One of the TW_E... numbers, or TW_OK if nothing went wrong.
    tw_status error;
    /// What went wrong, for people: `phase: cause (detail)`; empty if nothing did.
    std::string error_text;
    /// The status of a server or proxy that refused the opening handshake, else 0.
    int http_status;
    /// Where it went wrong: "dns", "tcp", ...; empty if nothing did. See tw_close_ev.
    std::string phase;
    /// The errno behind it, or 0.
    int sys;
    /// What went wrong as a word that never changes; empty if nothing did. See tw_close_ev.
    std::string error_kind;
    /// The reason phrase that came with http_status.
    std::string http_reason;
    /// The body that came with http_status, cut at 64 KiB.
    std::string http_body;
    /// The addresses that were tried in vain, in that order, if no connection was made.
    std::vector<attempt> attempts;
    /// Payload bytes that were sent and did not leave.
    std::uint64_t unsent;
    /// The field of that name that came with http_status, or nullptr; valid during the callback.
    const char *header(const char *name) const noexcept { return tw_header(http_headers, name, nullptr); }
    /// All of them, or nullptr; valid during the callback.
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
