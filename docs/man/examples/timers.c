/* A timer that repeats, and ends itself. */
#include "setup.h"

/* example: tw_timer_start tw_timer_stop */
struct clock {
    tw_loop loop;
    tw_timer timer;
    int ticks;
};

static void tick(void *user)
{
    struct clock *clock = user;

    if (++clock->ticks == 3) {
        tw_timer_stop(clock->timer);
        tw_loop_stop(clock->loop);
    }
}

static tw_status start(struct clock *clock)
{
    /* After 5 ms, then every 10 ms. */
    return tw_timer_start(clock->loop, 5, 10, tick, clock, &clock->timer);
}
/* end */

int main(void)
{
    struct clock clock = {0, 0, 0};

    need(tw_loop_new(NULL, &clock.loop, NULL));
    need(start(&clock));
    need(tw_loop_run(clock.loop));
    need_true(tw_timer_stop(clock.timer) == TW_EHANDLE, "the timer is gone");
    need(tw_loop_free(clock.loop, 0));
    return clock.ticks == 3 ? 0 : 1;
}
