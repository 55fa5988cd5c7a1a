/* Neither side drowns: the sender waits for the queue, the receiver for its own work. */
#include "setup.h"

#define TOTAL 200

static int sent, received, paused;

/* example: tw_buffered_amount */
/* Called when the connection opens, and by on_drain: sends as long as the queue is short. */
static void fill(tw_ws ws)
{
    static const char block[10000];

    while (sent < TOTAL && tw_buffered_amount(ws) < 65536)
        if (tw_send(ws, TW_BINARY, block, sizeof block) == TW_OK)
            sent++;
        else
            break;
}
/* end */

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    fill(ws);
}

static void on_drain(tw_ws ws, void *user, uint64_t buffered)
{
    (void)user, (void)buffered;
    fill(ws);
}

/* example: tw_pause tw_resume */
struct worker {
    tw_ws ws;
    int waiting; /* messages that are not worked off */
};

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct worker *worker = user;

    (void)message;
    worker->ws = ws;
    if (++worker->waiting == 16)
        tw_pause(ws); /* no on_message comes after this */
}

static void work_off(struct worker *worker)
{
    worker->waiting = 0;
    tw_resume(worker->ws);
}
/* end */

int main(void)
{
    tw_events serving = {.size = sizeof serving, .on_message = on_message};
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_drain = on_drain};
    struct worker worker = {0, 0};
    tw_server_opts options = {
        .size = sizeof options, .listen = "127.0.0.1:0", .events = &serving, .user = &worker};
    tw_loop loop;
    tw_server server;
    uint16_t port;
    char url[64];

    need(tw_loop_new(NULL, &loop, NULL));
    need(tw_listen(loop, &options, &server, NULL));
    need(tw_server_port(server, &port));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    join(loop, url, &events, NULL);
    while (received < TOTAL) {
        need(tw_loop_poll(loop, 1000));
        need_true(worker.waiting <= 16, "no message comes while paused");
        received += worker.waiting;
        paused += worker.waiting == 16;
        if (worker.ws)
            work_off(&worker);
    }
    need(tw_loop_free(loop, 0));
    return paused > 0 ? 0 : 1;
}
