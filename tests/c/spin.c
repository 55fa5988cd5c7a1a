/* A loop that spins before it sleeps: it answers, it is busy meanwhile, and other threads reach it. */
#include "check.h"

static volatile int closed;
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
    closed = 1;
}

static double cpu_s(void)
{
    struct timespec used;

    CHECK(clock_gettime(clock_of_loop, &used) == 0);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void ring(void *user)
{
    *(volatile int *)user = 1;
}

static void wait_for(const volatile int *flag)
{
    double end_s = now_s() + 30 * slowness();

    while (!*flag) {
        CHECK(now_s() < end_s);
        usleep(1000);
    }
}

int main(void)
{
    tw_loop_opts options = {.size = sizeof options, .spin_us = 3600u * 1000 * 1000};
    tw_events server = no_events(), client = no_events();
    volatile int rung = 0;
    tw_error error;
    uint16_t port;
    tw_loop loop;
    double before, end_s;

    OK(tw_loop_new(&options, &loop, NULL));
    server.on_message = echo;
    client.on_open = begin;
    client.on_message = go_on;
    client.on_close = end;
    listen_on(loop, &server, NULL, &port);
    connect_to(loop, port, &client, NULL);
    OK(tw_loop_start(loop));
    wait_for(&closed);

    before = cpu_s();
    end_s = now_s() + 30 * slowness();
    while (cpu_s() - before < 0.05) {
        CHECK(now_s() < end_s);
        usleep(1000);
    }
    OK(tw_post(loop, ring, (void *)&rung));
    wait_for(&rung);
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
