// Connections by their names in tightwire.hpp, which includes this: all that both ends do.
#ifndef TIGHTWIRE_CONNECTION_HPP
#define TIGHTWIRE_CONNECTION_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include "tightwire_types.hpp"

namespace tw {
inline namespace v1 {

/// A connection by its name, as a server's callbacks get it; copy and keep it as you like. All calls from any thread
/// and any callback. On a connection that is gone they give errc::handle, or nothing where they cannot fail.
class connection {
public:
    /// Names nothing.
    connection() noexcept : id_{0} {}
    explicit connection(ws_id id) noexcept : id_(id) {}
    /// Its name for functions of C, and for containers.
    ws_id id() const noexcept { return id_; }

    /// Sends a text message. Throws errc::again when `max_buffered` bytes are queued (wait for ondrain), errc::state
    /// unless the connection is open, errc::utf8, errc::busy amid a message in parts. See tw_send.
    void send(text_view text, compress how = compress::automatic) const { detail::check(try_send(text, how)); }
    /// The same with the failure as a value.
    void send(text_view text, std::error_code &failed) const noexcept { failed = make_error_code(try_send(text)); }
    void send(text_view text, compress how, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(text, how));
    }
    /// Sends a binary message: a std::vector, std::array or std::span of bytes, an array.
    void send(bytes_view bytes, compress how = compress::automatic) const { detail::check(try_send(bytes, how)); }
    /// The same with the failure as a value.
    void send(bytes_view bytes, std::error_code &failed) const noexcept { failed = make_error_code(try_send(bytes)); }
    void send(bytes_view bytes, compress how, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(bytes, how));
    }
    /// Sends a binary message of `size` bytes, whatever `data` points to.
    void send(const void *data, std::size_t size, compress how = compress::automatic) const {
        detail::check(put(TW_BINARY, how, data, size));
    }
    /// The same with the failure as a value.
    void send(const void *data, std::size_t size, std::error_code &failed) const noexcept {
        failed = make_error_code(put(TW_BINARY, compress::automatic, data, size));
    }
    void send(const void *data, std::size_t size, compress how, std::error_code &failed) const noexcept {
        failed = make_error_code(put(TW_BINARY, how, data, size));
    }
    /// A truth value is no size.
    template <class Bool, class = typename std::enable_if<std::is_same<Bool, bool>::value>::type>
    void send(const void *data, Bool) const = delete;
    /// Sends a message as it came.
    void send(const message &same) const { detail::check(try_send(same.flags(), same.data(), same.size())); }
    /// The same with the failure as a value.
    void send(const message &same, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(same.flags(), same.data(), same.size()));
    }
    /// Sends the bytes of a buffer, which are not copied where that can be avoided. `kind` is TW_TEXT or TW_BINARY,
    /// and what else tw_send_buf allows.
    void send(const buffer &data, std::uint32_t kind = TW_BINARY) const { detail::check(share(data, kind)); }
    /// The same with the failure as a value.
    void send(const buffer &data, std::error_code &failed) const noexcept { send(data, TW_BINARY, failed); }
    void send(const buffer &data, std::uint32_t kind, std::error_code &failed) const noexcept {
        failed = make_error_code(share(data, kind));
    }
    /// As send(), with TW_EAGAIN and the like as a number.
    tw_status try_send(text_view text, compress how = compress::automatic) const noexcept {
        return put(TW_TEXT, how, text.data(), text.size());
    }
    tw_status try_send(bytes_view bytes, compress how = compress::automatic) const noexcept {
        return put(TW_BINARY, how, bytes.data(), bytes.size());
    }
    /// The same with all flags that tw_send has.
    tw_status try_send(std::uint32_t flags, const void *data, std::size_t size) const noexcept {
        return tw_send(id_.value, flags, data, size);
    }

    /// A message in parts (RFC 6455 section 5.4): begin_text() or begin_binary(), then more() as often as you like, then
    /// last(). Whole messages meanwhile get errc::busy. Text may be cut within a character. `how` is for the whole, which is
    /// compressed unless it is compress::never.
    void begin_text(text_view part, compress how = compress::automatic) const {
        detail::check(put(TW_TEXT | TW_MORE, how, part.data(), part.size()));
    }
    void begin_text(const void *data, std::size_t size, compress how = compress::automatic) const {
        detail::check(put(TW_TEXT | TW_MORE, how, data, size));
    }
    void begin_binary(bytes_view part, compress how = compress::automatic) const {
        detail::check(put(TW_BINARY | TW_MORE, how, part.data(), part.size()));
    }
    void begin_binary(const void *data, std::size_t size, compress how = compress::automatic) const {
        detail::check(put(TW_BINARY | TW_MORE, how, data, size));
    }
    /// The next part. Throws errc::state without a beginning.
    void more(text_view part) const { detail::check(try_send(TW_MORE, part.data(), part.size())); }
    void more(bytes_view part) const { detail::check(try_send(TW_MORE, part.data(), part.size())); }
    void more(const void *data, std::size_t size) const { detail::check(try_send(TW_MORE, data, size)); }
    /// The last part, which may be empty.
    void last() const { detail::check(try_send(0, nullptr, 0)); }
    void last(text_view part) const { detail::check(try_send(0, part.data(), part.size())); }
    void last(bytes_view part) const { detail::check(try_send(0, part.data(), part.size())); }
    void last(const void *data, std::size_t size) const { detail::check(try_send(0, data, size)); }
    /// The same with the failure as a value.
    void begin_text(text_view part, std::error_code &failed) const noexcept {
        begin_text(part.data(), part.size(), failed);
    }
    void begin_text(const void *data, std::size_t size, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(TW_TEXT | TW_MORE, data, size));
    }
    void begin_binary(bytes_view part, std::error_code &failed) const noexcept {
        begin_binary(part.data(), part.size(), failed);
    }
    void begin_binary(const void *data, std::size_t size, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(TW_BINARY | TW_MORE, data, size));
    }
    void more(text_view part, std::error_code &failed) const noexcept { more(part.data(), part.size(), failed); }
    void more(bytes_view part, std::error_code &failed) const noexcept { more(part.data(), part.size(), failed); }
    void more(const void *data, std::size_t size, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(TW_MORE, data, size));
    }
    void last(std::error_code &failed) const noexcept { last(nullptr, 0, failed); }
    void last(text_view part, std::error_code &failed) const noexcept { last(part.data(), part.size(), failed); }
    void last(bytes_view part, std::error_code &failed) const noexcept { last(part.data(), part.size(), failed); }
    void last(const void *data, std::size_t size, std::error_code &failed) const noexcept {
        failed = make_error_code(try_send(0, data, size));
    }

    /// Sends a ping with up to 125 bytes; onpong tells of the answer. See tw_ping.
    void ping(text_view payload = "") const { detail::check(tw_ping(id_.value, payload.data(), payload.size())); }
    /// The same with the failure as a value.
    void ping(std::error_code &failed) const noexcept { ping("", failed); }
    void ping(text_view payload, std::error_code &failed) const noexcept {
        failed = make_error_code(tw_ping(id_.value, payload.data(), payload.size()));
    }
    /// Starts the closing handshake behind everything that is queued. Code 0 sends none. On a connection that is gone it
    /// does nothing. Throws errc::invalid_argument for a code that may not be sent or too long a reason. See tw_close.
    void close(int code = 0, const std::string &reason = std::string()) const { detail::check(end(code, reason.c_str())); }
    /// The same with the failure as a value.
    void close(int code, std::error_code &failed) const noexcept { failed = make_error_code(end(code, "")); }
    void close(int code, const std::string &reason, std::error_code &failed) const noexcept {
        failed = make_error_code(end(code, reason.c_str()));
    }

    /// Accepts a client that server::onrequest told of, there or later, with the subprotocol that the server prefers.
    /// `headers` are "Name: value" each. Throws errc::invalid_argument for one that cannot be sent, errc::state if the
    /// client was answered before. See tw_accept.
    void accept(const std::vector<std::string> &headers = std::vector<std::string>()) const {
        detail::check(admit(nullptr, headers));
    }
    /// The same with this subprotocol, which the client has to offer; empty for none.
    void accept_with(const std::string &protocol,
                     const std::vector<std::string> &headers = std::vector<std::string>()) const {
        detail::check(admit(protocol.c_str(), headers));
    }
    /// Refuses it with an HTTP status from 300 to 599. `body` is text. See tw_reject.
    void reject(int http_status, const std::string &body = std::string(),
                const std::vector<std::string> &headers = std::vector<std::string>()) const {
        detail::check(refuse(http_status, body, headers));
    }
    /// The same with the failure as a value.
    void accept(std::error_code &failed) const { accept(std::vector<std::string>(), failed); }
    void accept(const std::vector<std::string> &headers, std::error_code &failed) const {
        failed = make_error_code(admit(nullptr, headers));
    }
    void accept_with(const std::string &protocol, std::error_code &failed) const {
        accept_with(protocol, std::vector<std::string>(), failed);
    }
    void accept_with(const std::string &protocol, const std::vector<std::string> &headers,
                     std::error_code &failed) const {
        failed = make_error_code(admit(protocol.c_str(), headers));
    }
    void reject(int http_status, std::error_code &failed) const { reject(http_status, std::string(), failed); }
    void reject(int http_status, const std::string &body, std::error_code &failed) const {
        reject(http_status, body, std::vector<std::string>(), failed);
    }
    void reject(int http_status, const std::string &body, const std::vector<std::string> &headers,
                std::error_code &failed) const {
        failed = make_error_code(refuse(http_status, body, headers));
    }

    /// Ends the TCP connection without a closing handshake; onclose follows, later, with 1006.
    void abort() const noexcept { tw_abort(id_.value); }
    /// Reads nothing until resume(); see tw_pause.
    void pause() const noexcept { tw_pause(id_.value); }
    /// Reads again.
    void resume() const noexcept { tw_resume(id_.value); }
    /// As in browsers; closed on a connection that is gone.
    tw::ready_state ready_state() const noexcept {
        return static_cast<tw::ready_state>(tw_ready_state(id_.value));
    }
    /// Payload bytes that were sent and not yet given to the system; 0 on a connection that is gone.
    std::uint64_t buffered_amount() const noexcept { return tw_buffered_amount(id_.value); }
    /// The URL, of a server's connection the one that the client asked for. This and the texts below are empty on a
    /// connection that is gone.
    std::string url() const { return detail::text_of(id_.value, TW_STR_URL); }
    /// The agreed subprotocol; empty before the connection is open, and if there is none.
    std::string protocol() const { return detail::text_of(id_.value, TW_STR_PROTOCOL); }
    /// The agreed extensions; empty before the connection is open, and if there are none.
    std::string extensions() const { return detail::text_of(id_.value, TW_STR_EXTENSIONS); }
    /// The peer's address and port; empty before the connection is open.
    std::string remote() const { return detail::text_of(id_.value, TW_STR_REMOTE); }
    /// Our own address and port; empty before the connection is open.
    std::string local() const { return detail::text_of(id_.value, TW_STR_LOCAL); }
    /// Version and cipher suite of TLS; empty before the connection is open, and over ws://.
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
    tw_status put(std::uint32_t kind, compress how, const void *data, std::size_t size) const noexcept {
        return tw_send(id_.value, kind | static_cast<std::uint32_t>(how), data, size);
    }
    tw_status share(const buffer &data, std::uint32_t kind) const noexcept {
        tw_buf *one = tw_buf_ref(data.get());
        tw_status status = tw_send_buf(id_.value, kind, one);
        if (status != TW_OK) {
            tw_buf_unref(one);
        }
        return status;
    }
    tw_status end(int code, const char *reason) const noexcept {
        tw_status status = tw_close(id_.value, code, reason);
        return status == TW_EHANDLE ? TW_OK : status;
    }
    tw_status admit(const char *protocol, const std::vector<std::string> &headers) const {
        std::vector<const char *> fields = detail::pointers(headers);
        return tw_accept(id_.value, protocol, fields.data(), nullptr, nullptr);
    }
    tw_status refuse(int http_status, const std::string &body, const std::vector<std::string> &headers) const {
        std::vector<const char *> fields = detail::pointers(headers);
        return tw_reject(id_.value, http_status, fields.data(), body.data(), body.size());
    }
};

} // namespace v1
} // namespace tw

#endif
