// Errors of tightwire.hpp, which includes this: what is thrown, and std::error_code.
#ifndef TIGHTWIRE_ERROR_HPP
#define TIGHTWIRE_ERROR_HPP

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

#include "tightwire.h"

// Without exceptions (-fno-exceptions) a failed call that could only throw ends the program; the
// variants with std::error_code and try_... work as ever.
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define TW_HAS_EXCEPTIONS 1
#else
#define TW_HAS_EXCEPTIONS 0
#endif

namespace tw {
inline namespace v1 {

/// The statuses of the C API by name, to compare a std::error_code with.
enum class errc {
    /// An argument is not legal, or an option is.
    invalid_argument = TW_EINVAL,
    /// The connection, server, loop or timer is over, or never was.
    handle = TW_EHANDLE,
    /// Not legal in this ready state.
    state = TW_ESTATE,
    /// `max_buffered` bytes are queued: wait for ondrain.
    again = TW_EAGAIN,
    /// Another thread drives the loop, or a message in parts is not done.
    busy = TW_EBUSY,
    /// Driving or freeing a loop from inside a callback.
    reentrant = TW_EREENTRANT,
    /// Too long for its place, or over a limit.
    too_big = TW_ETOOBIG,
    /// The system gave no memory, no descriptor or no thread.
    no_memory = TW_ENOMEM,
    /// The library is built without it, or is older than the header.
    unsupported = TW_EUNSUPPORTED,
    /// The loop belongs to the parent process.
    forked = TW_EFORKED,
    /// A bug in the library: a panic was caught.
    internal = TW_EINTERNAL,
    /// A deadline passed.
    timed_out = TW_ETIMEDOUT,
    /// The loop is being freed, or the application gave the connection up.
    shutdown = TW_ESHUTDOWN,
    /// The name could not be resolved.
    dns = TW_EDNS,
    /// No address accepted the connection, or the address cannot be listened on.
    connect = TW_ECONNECT,
    /// The proxy refused.
    proxy = TW_EPROXY,
    /// TLS failed.
    tls = TW_ETLS,
    /// The certificate did not verify: name, trust or expiry.
    certificate = TW_ECERT,
    /// The opening handshake failed; close_event::http_status says more.
    handshake = TW_EHANDSHAKE,
    /// The peer broke the protocol.
    protocol = TW_EPROTO,
    /// Text that is not UTF-8.
    utf8 = TW_EUTF8,
    /// The stream ended without a closing handshake.
    reset = TW_ERESET
};

} // namespace v1
} // namespace tw

namespace std {
template <> struct is_error_code_enum<tw::errc> : true_type {};
} // namespace std

namespace tw {
inline namespace v1 {

/// The category of the statuses of the C API.
inline const std::error_category &category() noexcept {
    struct statuses : std::error_category {
        const char *name() const noexcept override { return "tightwire"; }
        std::string message(int status) const override { return tw_strerror(status); }
    };
    static const statuses only;
    return only;
}

/// For std::error_code, which calls it where one is compared with or made of an errc.
inline std::error_code make_error_code(errc code) noexcept { return std::error_code(static_cast<int>(code), category()); }
/// A status of the C API; TW_OK is no error.
inline std::error_code make_error_code(tw_status status) noexcept { return std::error_code(status, category()); }

/// A call failed; code() is one of the TW_E... numbers.
class error : public std::runtime_error {
public:
    /// With the short text of the status.
    explicit error(tw_status code) : std::runtime_error(tw_strerror(code)), code_(code), sys_(0) {}
    /// With the sentence that the C API gave.
    explicit error(const tw_error &from) : std::runtime_error(from.text), code_(from.code), sys_(from.sys) {}
    /// One of the TW_E... numbers.
    tw_status code() const noexcept { return code_; }
    /// The same for comparing with tw::errc.
    std::error_code error_code() const noexcept { return make_error_code(code_); }
    /// The errno behind it, or 0.
    int sys() const noexcept { return sys_; }

private:
    tw_status code_;
    int sys_;
};

namespace detail {

[[noreturn]] inline void raise(const error &what) {
#if TW_HAS_EXCEPTIONS
    throw what;
#else
    (void)what;
    std::terminate();
#endif
}

inline void check(tw_status status) {
    if (status != TW_OK) {
        raise(error(status));
    }
}

inline void check(tw_status status, const tw_error &why) {
    if (status != TW_OK) {
        raise(error(why));
    }
}

/// The same as values: the status, and the sentence unless nobody wants it. It is empty if nothing failed.
inline void tell(tw_status status, const tw_error &why, std::error_code &failed, std::string *sentence) {
    failed = make_error_code(status);
    if (sentence) {
        sentence->assign(status == TW_OK ? "" : why.text);
    }
}

} // namespace detail

} // namespace v1
} // namespace tw

#endif
