/* What a connection tells of itself, and how long a ping takes. */
#include "setup.h"

static int pongs;

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    /* example: tw_ping */
    need(tw_ping(ws, "now", 3)); /* on_pong brings "now" back */
    /* end */
}

/* example: tw_ping tw_get_stats */
static void on_pong(tw_ws ws, void *user, const tw_msg *pong)
{
    tw_stats stats = {.size = sizeof stats};

    (void)user, (void)pong;
    if (tw_get_stats(ws, &stats) == TW_OK)
        printf("%.3f ms, %llu bytes in\n", (double)stats.latency_ns / 1e6, (unsigned long long)stats.bytes_received);
    pongs++;
}
/* end */

/* example: tw_get_str */
static void show_remote(tw_ws ws)
{
    char remote[64];

    if (tw_get_str(ws, TW_STR_REMOTE, remote, sizeof remote, NULL) == TW_OK)
        printf("connected to %s\n", remote);
}
/* end */

int main(void)
{
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_pong = on_pong};
    tw_loop loop;
    tw_ws ws;
    char url[64];

    need(tw_loop_new(NULL, &loop, NULL));
    serve_echo(loop, url);
    ws = join(loop, url, &events, NULL);
    while (pongs == 0)
        need(tw_loop_poll(loop, 1000));
    show_remote(ws);
    /* example: tw_abort tw_ready_state */
    need(tw_abort(ws)); /* no closing handshake */
    while (tw_ready_state(ws) != 3) /* closed */
        need(tw_loop_poll(loop, 1000));
    need_true(tw_abort(ws) == TW_EHANDLE, "the id is dead");
    /* end */
    need(tw_loop_free(loop, 0));
    return 0;
}
