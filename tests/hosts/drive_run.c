/* tw_loop_run, which a timer of the loop's own stops. */
#include "drive.h"

static tw_loop driven;
static const volatile int *finished;

static void look(void *user)
{
    (void)user;
    if (*finished) {
        tw_loop_stop(driven);
    }
}

void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    (void)flags;
    driven = loop;
    finished = done;
    tw_timer_start(loop, 50, 50, look, NULL, NULL);
    tw_loop_run(loop);
}
