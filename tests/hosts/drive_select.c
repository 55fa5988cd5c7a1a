/* select(), as in programs of forty years. */
#include <sys/select.h>

#include "drive.h"

void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    intptr_t fd;

    (void)flags;
    tw_loop_fd(loop, &fd);
    while (!*done) {
        fd_set readable;

        FD_ZERO(&readable);
        FD_SET((int)fd, &readable);
        select((int)fd + 1, &readable, NULL, NULL, NULL);
        polls++;
        tw_loop_poll(loop, 0);
    }
}
