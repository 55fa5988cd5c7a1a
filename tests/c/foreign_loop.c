/* tightwire inside a select() loop: its descriptor is readable exactly while tw_loop_poll(loop, 0) has
 * work, timers included, also with one read a turn. */
#include "check.h"
#include <sys/select.h>

#define CLIENTS 5
#define MESSAGES 60

static int echoed, closed, pings, posted;
static size_t bytes_back;
static char block[300000];

/* Polls once the descriptor is readable. False if it was silent for `seconds`. */
static int wait_and_poll(tw_loop loop, intptr_t fd, double seconds)
{
    struct timeval limit;
    fd_set readable;
    double before;

    limit.tv_sec = (time_t)seconds;
    limit.tv_usec = (suseconds_t)((seconds - (double)limit.tv_sec) * 1e6);
    FD_ZERO(&readable);
    FD_SET((int)fd, &readable);
    if (select((int)fd + 1, &readable, NULL, NULL, &limit) == 0) {
        return 0;
    }
    before = now_s();
    OK(tw_loop_poll(loop, 0));
    CHECK(now_s() - before < 1 * slowness());
    return 1;
}

static size_t size_of_message(int number)
{
    static const size_t sizes[] = {1, 100, 5000, 70000, 300000};

    return sizes[number % 5];
}

static void send_all(tw_ws ws, void *user, const tw_open_ev *event)
{
    int i;

    (void)user, (void)event;
    for (i = 0; i < MESSAGES; i++) {
        OK(tw_send(ws, TW_BINARY, block, size_of_message(i)));
    }
}

static void count_echo(tw_ws ws, void *user, const tw_msg *message)
{
    int *count = user;

    CHECK(message->len == size_of_message(*count));
    bytes_back += message->len;
    echoed++;
    if (++*count == MESSAGES) {
        OK(tw_close(ws, 1000, NULL));
    }
}

static void count_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user;
    CHECK(event->clean && event->code == 1000);
    closed++;
}

static void nothing_is_missed(tw_loop loop, intptr_t fd, uint16_t port)
{
    tw_events events = no_events();
    int counts[CLIENTS] = {0};
    int i;

    events.on_open = send_all;
    events.on_message = count_echo;
    events.on_close = count_close;
    for (i = 0; i < CLIENTS; i++) {
        connect_to(loop, port, &events, &counts[i]);
    }
    while (closed < CLIENTS) {
        CHECK(wait_and_poll(loop, fd, 15 * slowness()));
    }
    CHECK(echoed == CLIENTS * MESSAGES);
}

/* After a while of what is left (the server's side of the closes), silence. */
static void an_idle_loop_is_silent(tw_loop loop, intptr_t fd)
{
    double end = now_s() + 10 * slowness();

    while (wait_and_poll(loop, fd, 0.3)) {
        CHECK(now_s() < end);
    }
    {
        double before = now_s();

        OK(tw_loop_poll(loop, 0));
        CHECK(now_s() - before < 0.2 * slowness());
    }
    CHECK(!wait_and_poll(loop, fd, 0.3));
}

static void count_ping(tw_ws ws, void *user, const tw_msg *ping)
{
    (void)ws, (void)user, (void)ping;
    pings++;
}

static void timers_are_inside(tw_loop loop, intptr_t fd)
{
    tw_events server_events = no_events(), events = no_events();
    tw_tuning tuning = {.size = sizeof tuning};
    tw_client_opts options = {.size = sizeof options};
    double began = now_s();
    uint16_t port;
    char url[64];
    tw_ws ws;

    server_events.on_ping = count_ping;
    listen_on(loop, &server_events, NULL, &port);
    snprintf(url, sizeof url, "ws://127.0.0.1:%d", port);
    tuning.ping_interval_ms = 100;
    events.on_close = count_close;
    options.url = url;
    options.tuning = &tuning;
    options.events = &events;
    OK(tw_connect(loop, &options, &ws, NULL));
    while (pings < 5) {
        CHECK(wait_and_poll(loop, fd, 3 * slowness()));
    }
    CHECK(now_s() - began >= 0.4);
    OK(tw_close(ws, 1000, NULL));
    closed = 0;
    while (!closed) {
        CHECK(wait_and_poll(loop, fd, 3 * slowness()));
    }
}

static void count_post(void *user)
{
    CHECK(user == &posted);
    posted++;
}

static void *post_from_outside(void *user)
{
    int i;

    for (i = 0; i < 100; i++) {
        OK(tw_post(*(tw_loop *)user, count_post, &posted));
    }
    return NULL;
}

static void other_threads_wake_it(tw_loop loop, intptr_t fd)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, post_from_outside, &loop) == 0);
    while (posted < 100) {
        CHECK(wait_and_poll(loop, fd, 10 * slowness()));
    }
    pthread_join(thread, NULL);
}

int main(void)
{
    tw_events server_events = no_events();
    tw_loop_opts settings = {.size = sizeof settings, .reads_per_turn = 1};
    tw_loop loop;
    uint16_t port;
    intptr_t fd, again;

    OK(tw_loop_new(&settings, &loop, NULL));
    OK(tw_loop_fd(loop, &fd));
    server_events.on_message = echo;
    listen_on(loop, &server_events, NULL, &port);
    nothing_is_missed(loop, fd, port);
    an_idle_loop_is_silent(loop, fd);
    other_threads_wake_it(loop, fd);
    timers_are_inside(loop, fd);
    OK(tw_loop_fd(loop, &again));
    CHECK(again == fd);
    OK(tw_loop_free(loop, 0));
    puts("ok");
    return 0;
}
