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
    invalid_argument = TW_EINVAL,
    handle = TW_EHANDLE,
    state = TW_ESTATE,
    again = TW_EAGAIN,
    busy = TW_EBUSY,
    reentrant = TW_EREENTRANT,
    too_big = TW_ETOOBIG,
    no_memory = TW_ENOMEM,
    unsupported = TW_EUNSUPPORTED,
    forked = TW_EFORKED,
    internal = TW_EINTERNAL,
    timed_out = TW_ETIMEDOUT,
    shutdown = TW_ESHUTDOWN,
    dns = TW_EDNS,
    connect = TW_ECONNECT,
    proxy = TW_EPROXY,
    tls = TW_ETLS,
    certificate = TW_ECERT,
    handshake = TW_EHANDSHAKE,
    protocol = TW_EPROTO,
    utf8 = TW_EUTF8,
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

inline std::error_code make_error_code(errc code) noexcept { return std::error_code(static_cast<int>(code), category()); }
/// A status of the C API; TW_OK is no error.
inline std::error_code make_error_code(tw_status status) noexcept { return std::error_code(status, category()); }

/// A call failed; code() is one of the TW_E... numbers.
class error : public std::runtime_error {
public:
    explicit error(tw_status code) : std::runtime_error(tw_strerror(code)), code_(code), sys_(0) {}
    explicit error(const tw_error &from) : std::runtime_error(from.text), code_(from.code), sys_(from.sys) {}
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

} // namespace detail

} // namespace v1
} // namespace tw

#endif
