/* header: boost/asio.hpp
 * Boost.Asio. */
#include <boost/asio.hpp>
#include <boost/version.hpp>

#include "drive.h"

extern "C" void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    boost::asio::io_context context;
    intptr_t fd;

    (void)flags;
    tw_loop_fd(loop, &fd);
    boost::asio::posix::stream_descriptor watched(context, static_cast<int>(fd));
    std::function<void(const boost::system::error_code &)> turn = [&](const boost::system::error_code &) {
        polls++;
        tw_loop_poll(loop, 0);
        if (!*done) {
            watched.async_wait(watched.wait_read, turn);
        }
    };
    watched.async_wait(watched.wait_read, turn);
    context.run();
    /* The descriptor is the library's. */
    watched.release();
}
