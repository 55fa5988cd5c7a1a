/* poll() */
#include <poll.h>

#include "drive.h"

void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    struct pollfd watched;
    intptr_t fd;

    (void)flags;
    tw_loop_fd(loop, &fd);
    watched.fd = (int)fd;
    watched.events = POLLIN;
    while (!*done) {
        poll(&watched, 1, -1);
        polls++;
        tw_loop_poll(loop, 0);
    }
}
