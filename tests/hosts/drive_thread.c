/* tw_loop_start: a thread of the library drives, and this one sleeps. */
#include <unistd.h>

#include "drive.h"

void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    (void)flags;
    tw_loop_start(loop);
    while (!*done) {
        usleep(1000);
    }
}
