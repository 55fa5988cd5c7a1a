// What a recipe uses of Asio, as its documentation declares it.
#include <tightwire.h>

namespace asio {
struct error_code {
    explicit operator bool() const;
};
namespace posix {
struct stream_descriptor {
    enum wait_type { wait_read };
    template <class Handler> void async_wait(wait_type, Handler &&) {}
};
} // namespace posix
} // namespace asio

@fragment@
