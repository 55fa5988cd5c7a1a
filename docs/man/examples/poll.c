/* A loop of one's own: tightwire is one descriptor in it. */
#define _POSIX_C_SOURCE 200809L
#include "setup.h"
#include <poll.h>

static int done;

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    tw_close(ws, 1000, NULL);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user, (void)closed;
    done = 1;
}

/* example: tw_loop_fd tw_loop_poll */
static void drive(tw_loop loop, int other_fd)
{
    intptr_t fd;
    struct pollfd watched[2];

    need(tw_loop_fd(loop, &fd)); /* once: it never changes */
    watched[0] = (struct pollfd){.fd = (int)fd, .events = POLLIN};
    watched[1] = (struct pollfd){.fd = other_fd, .events = POLLIN};
    while (!done && poll(watched, 2, -1) >= 0)
        if (watched[0].revents)
            tw_loop_poll(loop, 0); /* never waits; timers are included */
}
/* end */

int main(void)
{
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_close = on_close};
    tw_loop loop;
    char url[64];

    need(tw_loop_new(NULL, &loop, NULL));
    serve_echo(loop, url);
    join(loop, url, &events, NULL);
    drive(loop, -1);
    need(tw_loop_free(loop, 0));
    return done ? 0 : 1;
}
