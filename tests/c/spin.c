/* A loop that spins before it sleeps: it answers, it is busy meanwhile, and other threads reach it. */
#include "check.h"
#include <semaphore.h>

static sem_t closed, rung;
static clockid_t clock_of_loop;

static void begin(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)user, (void)event;
    CHECK(pthread_getcpuclockid(pthread_self(), &clock_of_loop) == 0);
    OK(tw_send(ws, TW_TEXT, "1", 1));
}

static void go_on(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user, (void)message;
    OK(tw_close(ws, 1000, NULL));
}

static void end(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user;
    CHECK(event->code == 1000);
    CHECK(sem_post(&closed) == 0);
}

static void ring(void *user)
{
    CHECK(sem_post(user) == 0);
}

int main(void)
{
    tw_loop_opts options = {.size = sizeof options, .spin_us = 3600u * 1000 * 1000};
    tw_events server = no_events(), client = no_events();
    struct timespec busy = {.tv_nsec = 50 * 1000 * 1000};
    tw_error error;
    uint16_t port;
    tw_loop loop;
    double before;

    CHECK(sem_init(&closed, 0, 0) == 0 && sem_init(&rung, 0, 0) == 0);
    OK(tw_loop_new(&options, &loop, NULL));
    server.on_message = echo;
    client.on_open = begin;
    client.on_message = go_on;
    client.on_close = end;
    listen_on(loop, &server, NULL, &port);
    connect_to(loop, port, &client, NULL);
    OK(tw_loop_start(loop));
    CHECK(sem_wait(&closed) == 0);

    /* By the clock of that thread, which stands still while it sleeps. */
    CHECK(clock_nanosleep(clock_of_loop, 0, &busy, NULL) == 0);
    OK(tw_post(loop, ring, &rung));
    CHECK(sem_wait(&rung) == 0);
    OK(tw_loop_free(loop, 0));

    /* It waits no longer than it may. */
    OK(tw_loop_new(&options, &loop, NULL));
    before = now_s();
    OK(tw_loop_poll(loop, 20));
    CHECK(now_s() - before < 10 * slowness());
    OK(tw_loop_free(loop, 0));

    options.flags = TW_LOOP_WAITER;
    CHECK_STATUS(TW_EINVAL, tw_loop_new(&options, &loop, &error));
    CHECK(strcmp(error.text, "tw_loop_opts.spin_us: not with TW_LOOP_WAITER") == 0);
    return 0;
}
