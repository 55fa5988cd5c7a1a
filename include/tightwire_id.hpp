// The names of objects in tightwire.hpp, which includes this.
#ifndef TIGHTWIRE_ID_HPP
#define TIGHTWIRE_ID_HPP

#include <cstddef>
#include <cstdint>
#include <functional>

#include "tightwire.h"

namespace tw {
inline namespace v1 {

/// The name of an object: a number with a type for each kind of object, so that one kind is not taken for another.
/// Safe to keep, on any thread, for as long as you like: that of an object that is gone gives errc::handle. Two
/// ids are equal if they name the same object. std::hash takes them.
template <class Kind> struct basic_id {
    /// The number for functions of C; 0 names nothing.
    std::uint64_t value;

    /// Whether it names anything, alive or not.
    explicit operator bool() const noexcept { return value != 0; }
    friend bool operator==(basic_id a, basic_id b) noexcept { return a.value == b.value; }
    friend bool operator!=(basic_id a, basic_id b) noexcept { return a.value != b.value; }
    /// Some order, for containers.
    friend bool operator<(basic_id a, basic_id b) noexcept { return a.value < b.value; }
};

/// The name of a connection, a tw_ws.
using ws_id = basic_id<struct ws_kind>;
/// The name of a server, a tw_server.
using server_id = basic_id<struct server_kind>;
/// The name of a loop, a tw_loop.
using loop_id = basic_id<struct loop_kind>;
/// The name of a timer, a tw_timer.
using timer_id = basic_id<struct timer_kind>;
/// The name of a TLS configuration, a tw_tls.
using tls_id = basic_id<struct tls_kind>;

} // namespace v1
} // namespace tw

namespace std {
template <class Kind> struct hash<tw::basic_id<Kind>> {
    size_t operator()(tw::basic_id<Kind> id) const noexcept { return hash<uint64_t>()(id.value); }
};
} // namespace std

#endif
