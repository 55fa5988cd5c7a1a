/* Timers, pausing and broadcasts, from callbacks and from other threads. */
#include "check.h"

struct ticks {
    tw_loop loop;
    tw_timer timer;
    _Atomic int count;
    int limit;
};

static void tick(void *user)
{
    struct ticks *ticks = user;

    if (++ticks->count == ticks->limit) {
        OK(tw_timer_stop(ticks->timer));
        CHECK_STATUS(TW_EHANDLE, tw_timer_stop(ticks->timer));
    }
}

static void restart(void *user)
{
    struct ticks *ticks = user;

    if (++ticks->count < ticks->limit) {
        OK(tw_timer_start(ticks->loop, 0, 0, restart, ticks, NULL));
    }
}

static void late(void *user)
{
    (void)user;
    CHECK(!"a timer that was stopped is called");
}

static void *drive(void *user)
{
    OK(tw_loop_run(*(tw_loop *)user));
    return NULL;
}

static void timers(tw_loop loop)
{
    struct ticks ticks;
    tw_timer never = 0;
    double begin = now_s();
    pthread_t thread;

    memset(&ticks, 0, sizeof ticks);
    ticks.loop = loop;
    ticks.limit = 5;
    OK(tw_timer_start(loop, 3600000, 0, late, NULL, &never));
    OK(tw_timer_start(loop, 20, 10, tick, &ticks, &ticks.timer));
    while (ticks.count < 5) {
        OK(tw_loop_poll(loop, 1000));
    }
    CHECK(now_s() - begin >= 0.059);
    CHECK_STATUS(TW_EHANDLE, tw_timer_stop(ticks.timer));

    ticks.count = 0;
    OK(tw_timer_start(loop, 0, 0, restart, &ticks, &ticks.timer));
    while (ticks.count < 5) {
        OK(tw_loop_poll(loop, 1000));
    }

    /* Another thread drives the loop. */
    ticks.count = 0;
    ticks.limit = -1;
    CHECK(pthread_create(&thread, NULL, drive, &loop) == 0);
    OK(tw_timer_start(loop, 1, 1, tick, &ticks, &ticks.timer));
    while (ticks.count < 3) {
        sched_yield();
    }
    OK(tw_timer_stop(ticks.timer));
    ticks.count = 0;
    OK(tw_timer_stop(never));
    OK(tw_loop_stop(loop));
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(ticks.count == 0);

    CHECK_STATUS(TW_EINVAL, tw_timer_start(loop, 1, 1, NULL, NULL, NULL));
    CHECK_STATUS(TW_EHANDLE, tw_timer_start(0, 1, 1, late, NULL, NULL));
    CHECK_STATUS(TW_EHANDLE, tw_timer_stop(0));
    CHECK_STATUS(TW_EHANDLE, tw_timer_stop(loop));
    OK(tw_timer_start(loop, 3600000, 1, late, NULL, NULL)); /* dies with the loop */
}

struct client {
    int opened, messages, paused, closed;
    tw_ws ws;
};

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct client *client = user;

    (void)opened;
    client->ws = ws;
    client->opened = 1;
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct client *client = user;

    (void)message;
    CHECK(!client->paused);
    client->messages++;
    if (client->messages == 1) {
        client->paused = 1;
        OK(tw_pause(ws));
    }
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws;
    ((struct client *)user)->closed = closed->code;
}

static void resume(void *user)
{
    struct client *client = user;

    CHECK(client->messages == 1);
    client->paused = 0;
    OK(tw_resume(client->ws));
}

static void broadcasts(tw_loop loop)
{
    tw_events events = no_events();
    struct client clients[3];
    tw_server server, other;
    size_t count = 0;
    uint16_t port;
    int i;

    memset(clients, 0, sizeof clients);
    server = listen_on(loop, &events, NULL, &port);
    OK(tw_broadcast(server, TW_TEXT, "nobody", 6, &count));
    CHECK(count == 0);
    events.on_open = on_open;
    events.on_message = on_message;
    events.on_close = on_close;
    for (i = 0; i < 3; i++) {
        connect_to(loop, port, &events, &clients[i]);
        poll_until(loop, &clients[i].opened);
    }
    events = no_events();
    other = listen_on(loop, &events, NULL, &port);
    OK(tw_broadcast(other, TW_TEXT, "nobody", 6, &count));
    CHECK(count == 0);
    for (i = 0; i < 5; i++) {
        OK(tw_broadcast(server, TW_TEXT, "hello", 5, &count));
        CHECK(count == 3);
    }
    for (i = 0; i < 3; i++) {
        OK(tw_timer_start(loop, 50, 0, resume, &clients[i], NULL));
    }
    for (i = 0; i < 3; i++) {
        while (clients[i].messages < 5) {
            OK(tw_loop_poll(loop, 1000));
        }
        /* A paused connection can be closed. */
        OK(tw_pause(clients[i].ws));
        OK(tw_close(clients[i].ws, 1000, NULL));
        poll_until(loop, &clients[i].closed);
        CHECK(clients[i].closed == 1000);
        CHECK_STATUS(TW_EHANDLE, tw_pause(clients[i].ws));
        CHECK_STATUS(TW_EHANDLE, tw_resume(clients[i].ws));
    }
    CHECK_STATUS(TW_EUTF8, tw_broadcast(server, TW_TEXT, "\xff", 1, NULL));
    CHECK_STATUS(TW_EINVAL, tw_broadcast(server, 0, "x", 1, NULL));
    CHECK_STATUS(TW_EINVAL, tw_broadcast(server, TW_TEXT, NULL, 1, NULL));
    CHECK_STATUS(TW_EHANDLE, tw_broadcast(0, TW_TEXT, "x", 1, NULL));
    CHECK_STATUS(TW_EHANDLE, tw_broadcast(loop, TW_TEXT, "x", 1, NULL));
    OK(tw_server_close(server, 0));
    CHECK_STATUS(TW_EHANDLE, tw_broadcast(server, TW_TEXT, "x", 1, NULL));
}

int main(void)
{
    tw_loop loop = new_loop();

    broadcasts(loop);
    timers(loop);
    OK(tw_loop_free(loop, 0));
    return 0;
}
