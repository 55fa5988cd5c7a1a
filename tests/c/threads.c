/* Calls from many threads while a loop runs on a thread of its own. */
#include "check.h"

#define THREADS 4

static int messages = 2000; /* of each thread */
static tw_loop loop;
static tw_ws client;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int opened, closes, received, next_of[THREADS], loop_thread_seen;
static pthread_t loop_thread;

static void await(int *value, int at_least)
{
    struct timespec limit;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += (time_t)(60 * slowness());
    pthread_mutex_lock(&mutex);
    while (*value < at_least) {
        CHECK(pthread_cond_timedwait(&changed, &mutex, &limit) == 0);
    }
    pthread_mutex_unlock(&mutex);
}

static void add(int *value)
{
    pthread_mutex_lock(&mutex);
    ++*value;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)ws, (void)user, (void)event;
    if (!loop_thread_seen) {
        loop_thread_seen = 1;
        loop_thread = pthread_self();
    }
    add(&opened);
}

/* Each thread's messages come in its order. */
static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    int from, number;

    (void)ws, (void)user;
    CHECK(pthread_equal(pthread_self(), loop_thread));
    CHECK(sscanf(message->data, "%d:%d;", &from, &number) == 2);
    CHECK(from >= 0 && from < THREADS && number == next_of[from]);
    next_of[from]++;
    add(&received);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user, (void)event;
    add(&closes);
}

static void *send_many(void *user)
{
    int me = *(int *)user, i;

    for (i = 0; i < messages; i++) {
        char text[32];
        tw_status status;

        snprintf(text, sizeof text, "%d:%d;", me, i);
        do {
            status = tw_send(client, TW_TEXT, text, strlen(text));
        } while (status == TW_EAGAIN);
        OK(status);
        if (i % 100 == 0) {
            CHECK(tw_ready_state(client) == 1);
            (void)tw_buffered_amount(client);
            OK(tw_ping(client, NULL, 0));
        }
    }
    return NULL;
}

static void sends_keep_their_order(uint16_t port)
{
    tw_events events = no_events();
    pthread_t threads[THREADS];
    int names[THREADS], i;

    events.on_open = on_open;
    events.on_message = on_message;
    events.on_close = on_close;
    client = connect_to(loop, port, &events, NULL);
    await(&opened, 1);
    for (i = 0; i < THREADS; i++) {
        names[i] = i;
        CHECK(pthread_create(&threads[i], NULL, send_many, &names[i]) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    await(&received, THREADS * messages);
    OK(tw_close(client, 1000, "from outside"));
    await(&closes, 1);
}

/* Connecting, listening and closing from threads that do not drive. */
static void *come_and_go(void *user)
{
    tw_events server_events = no_events(), events = no_events();
    int i;

    (void)user;
    events.on_close = on_close;
    server_events.on_message = echo;
    for (i = 0; i < 20; i++) {
        uint16_t port;
        tw_server server = listen_on(loop, &server_events, NULL, &port);
        tw_ws ws = connect_to(loop, port, &events, NULL);

        OK(i % 2 ? tw_close(ws, 1000, NULL) : tw_abort(ws));
        OK(tw_server_close(server, 0));
        CHECK_STATUS(TW_EHANDLE, tw_server_close(server, 0));
    }
    return NULL;
}

static void connections_come_and_go_from_anywhere(void)
{
    pthread_t threads[THREADS];
    int i;

    closes = 0;
    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, come_and_go, NULL) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    await(&closes, THREADS * 20);
}

static _Atomic int racing;

static void *race_the_end(void *user)
{
    tw_ws ws = *(tw_ws *)user;

    while (racing) {
        tw_status status = tw_send(ws, TW_TEXT, "x", 1);

        CHECK(status == TW_OK || status == TW_ESTATE || status == TW_EHANDLE || status == TW_EAGAIN);
        (void)tw_ready_state(ws);
        (void)tw_loop_stop(0);
    }
    return NULL;
}

/* tw_loop_free while others still send, faster than the loop can go if nothing held them back. */
static void freeing_under_fire(uint16_t port)
{
    tw_events events = no_events();
    tw_tuning tuning = {.size = sizeof tuning, .max_buffered = 1 << 16};
    tw_client_opts options = {.size = sizeof options, .events = &events, .tuning = &tuning};
    char url[64];
    pthread_t threads[THREADS];
    tw_ws ws;
    int i;

    events.on_open = on_open;
    events.on_close = on_close;
    opened = closes = 0;
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    options.url = url;
    OK(tw_connect(loop, &options, &ws, NULL));
    await(&opened, 1);
    racing = 1;
    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, race_the_end, &ws) == 0);
    }
    OK(tw_loop_free(loop, 500));
    CHECK(closes == 1);
    CHECK_STATUS(TW_EHANDLE, tw_send(ws, TW_TEXT, "x", 1));
    racing = 0;
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void *run_it(void *user)
{
    tw_status status;

    do {
        status = tw_loop_run(*(tw_loop *)user); /* busy while the other thread polls */
    } while (status == TW_EBUSY);
    OK(status);
    return NULL;
}

/* A loop is driven by one thread; stopping and starting again is fine. */
static void one_driver_at_a_time(void)
{
    tw_loop other = new_loop();
    pthread_t thread;
    int i;

    for (i = 0; i < 50; i++) {
        tw_status status;

        CHECK(pthread_create(&thread, NULL, run_it, &other) == 0);
        status = tw_loop_poll(other, 0);
        CHECK(status == TW_OK || status == TW_EBUSY);
        OK(tw_loop_stop(other));
        pthread_join(thread, NULL);
    }
    OK(tw_loop_start(other));
    CHECK_STATUS(TW_EBUSY, tw_loop_run(other));
    CHECK_STATUS(TW_EBUSY, tw_loop_poll(other, 0));
    CHECK_STATUS(TW_EBUSY, tw_loop_start(other));
    OK(tw_loop_free(other, 0));
}

int main(void)
{
    tw_events events = no_events();
    uint16_t port;

    if (slowness() > 1) {
        messages = 200;
    }
    loop = new_loop();
    events.on_message = echo;
    listen_on(loop, &events, NULL, &port);
    OK(tw_loop_start(loop));
    sends_keep_their_order(port);
    connections_come_and_go_from_anywhere();
    freeing_under_fire(port);
    one_driver_at_a_time();
    puts("ok");
    return 0;
}
