// What tightwire.hpp, which includes this, takes to send: text and bytes, borrowed for the call.
#ifndef TIGHTWIRE_VIEW_HPP
#define TIGHTWIRE_VIEW_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#if __cplusplus >= 201703L
#include <string_view>
#endif
#if __cplusplus >= 202002L
#include <span>
#endif

#include "tightwire.h"

namespace tw {
inline namespace v1 {

/// Text as an argument, in UTF-8: a literal, a std::string, a std::string_view (C++17), or one of those of char8_t
/// (C++20). It borrows: made for the call and not kept.
class text_view {
public:
    /// Up to its NUL. Not nullptr.
    text_view(const char *text) noexcept : data_(text), size_(std::strlen(text)) {}
    /// That many bytes; a NUL is one like others.
    text_view(const char *text, std::size_t size) noexcept : data_(text), size_(size) {}
    /// All of it, NULs included.
    text_view(const std::string &text) noexcept : data_(text.data()), size_(text.size()) {}
    text_view(std::nullptr_t) = delete;
#if defined(__cpp_lib_string_view) && __cpp_lib_string_view >= 201606L
    /// All of a std::string_view, or of what becomes one by itself.
    template <class T, class = typename std::enable_if<std::is_convertible<const T &, std::string_view>::value &&
                                                       !std::is_convertible<const T &, const char *>::value>::type>
    text_view(const T &text) noexcept : text_view(all(), text) {}
#if defined(__cpp_lib_char8_t) && __cpp_lib_char8_t >= 201811L
    /// All of it.
    text_view(std::u8string_view text) noexcept : data_(reinterpret_cast<const char *>(text.data())), size_(text.size()) {}
    /// All of it.
    text_view(const std::u8string &text) noexcept : text_view(std::u8string_view(text)) {}
    /// Up to its NUL. Not nullptr.
    text_view(const char8_t *text) noexcept : text_view(std::u8string_view(text)) {}
#endif
#endif
    /// The first byte.
    const char *data() const noexcept { return data_; }
    /// The length in bytes.
    std::size_t size() const noexcept { return size_; }

private:
#if defined(__cpp_lib_string_view) && __cpp_lib_string_view >= 201606L
    struct all {};
    text_view(all, std::string_view text) noexcept : data_(text.data()), size_(text.size()) {}
#endif
    const char *data_;
    std::size_t size_;
};

namespace detail {

template <class T> struct is_byte : std::is_same<T, unsigned char> {};
#if defined(__cpp_lib_byte) && __cpp_lib_byte >= 201603L
template <> struct is_byte<std::byte> : std::true_type {};
#endif

/// Whether data() and size() of `C` give bytes; char is for text.
template <class C, class = void> struct holds_bytes : std::false_type {};
template <class C>
struct holds_bytes<C, typename std::enable_if<std::is_convertible<decltype(std::declval<const C &>().size()), std::size_t>::value &&
                                              std::is_pointer<decltype(std::declval<const C &>().data())>::value>::type>
    : is_byte<typename std::remove_cv<
          typename std::remove_pointer<decltype(std::declval<const C &>().data())>::type>::type> {};

} // namespace detail

/// Bytes as an argument: whatever has data() and size() and is made of unsigned char or std::byte, such as
/// std::vector, std::array, std::span (C++20) and tw::buffer; or an array. It borrows: made for the call and not kept.
class bytes_view {
public:
    /// All of a container, a span or a buffer.
    template <class C, class = typename std::enable_if<detail::holds_bytes<C>::value>::type>
    bytes_view(const C &from) noexcept : data_(from.data()), size_(from.size()) {}
    /// All of an array.
    template <class T, std::size_t N, class = typename std::enable_if<detail::is_byte<T>::value>::type>
    bytes_view(const T (&from)[N]) noexcept : data_(from), size_(N) {}
    /// The first byte.
    const void *data() const noexcept { return data_; }
    /// How many there are.
    std::size_t size() const noexcept { return size_; }

private:
    const void *data_;
    std::size_t size_;
};

/// Whether to compress a message, where compression was agreed upon (RFC 7692).
enum class compress : std::uint32_t {
    /// Messages from `deflate_threshold` bytes on, and not if that makes them larger.
    automatic = 0,
    /// Whatever the size, even if that makes it larger.
    always = TW_DEFLATE,
    /// Not at all.
    never = TW_NODEFLATE
};

} // namespace v1
} // namespace tw

#endif
