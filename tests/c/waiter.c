/* TW_LOOP_WAITER: a library thread waits, the host does the work, wherever it is told. */
#include "check.h"

struct host {
    pthread_mutex_t lock;
    pthread_cond_t poked;
    int pokes;
    pthread_t thread;
    int opens, messages, closes;
};

static void poke(void *user)
{
    struct host *host = user;

    pthread_mutex_lock(&host->lock);
    host->pokes++;
    pthread_cond_signal(&host->poked);
    pthread_mutex_unlock(&host->lock);
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct host *host = user;

    (void)opened;
    CHECK(pthread_equal(host->thread, pthread_self()));
    host->opens++;
    OK(tw_send(ws, TW_TEXT, "hello", 5));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct host *host = user;

    (void)message;
    CHECK(pthread_equal(host->thread, pthread_self()));
    if (++host->messages < 100) {
        OK(tw_send(ws, TW_TEXT, "again", 5));
    } else {
        OK(tw_close(ws, 1000, NULL));
    }
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct host *host = user;

    (void)ws;
    CHECK(closed->clean == (host->messages == 100));
    host->closes++;
}

static tw_loop waiting_loop(void)
{
    tw_loop_opts options;
    tw_loop loop;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.flags = TW_LOOP_WAITER;
    OK(tw_loop_new(&options, &loop, NULL));
    return loop;
}

static void talk(tw_loop loop, struct host *host)
{
    tw_events serving = no_events(), asking = no_events();
    uint16_t port;

    host->thread = pthread_self();
    host->opens = host->messages = host->closes = 0;
    serving.on_message = echo;
    asking.on_open = on_open;
    asking.on_message = on_message;
    asking.on_close = on_close;
    listen_on(loop, &serving, NULL, &port);
    connect_to(loop, port, &asking, host);
}

/* No descriptor: a function that signals a condition. */
static void told(struct host *host)
{
    tw_loop loop = waiting_loop(), plain = new_loop();
    struct timespec end;

    CHECK_STATUS(TW_ESTATE, tw_loop_on_ready(plain, poke, host));
    OK(tw_loop_free(plain, 0));
    OK(tw_loop_on_ready(loop, poke, host));
    talk(loop, host);
    while (host->closes == 0) {
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += (time_t)(30 * slowness());
        pthread_mutex_lock(&host->lock);
        while (host->pokes == 0) {
            CHECK(pthread_cond_timedwait(&host->poked, &host->lock, &end) == 0);
        }
        host->pokes = 0;
        pthread_mutex_unlock(&host->lock);
        OK(tw_loop_poll(loop, 0));
    }
    CHECK(host->messages == 100);
    OK(tw_loop_on_ready(loop, NULL, NULL));
    OK(tw_loop_free(loop, 0));
}

/* A descriptor that poll() watches, and which is quiet when there is nothing to do. */
static void watched(struct host *host)
{
    tw_loop loop = waiting_loop();
    struct pollfd watched;
    intptr_t fd;

    OK(tw_loop_fd(loop, &fd));
    watched.fd = (int)fd;
    watched.events = POLLIN;
    talk(loop, host);
    while (host->closes == 0) {
        CHECK(poll(&watched, 1, (int)(30000 * slowness())) == 1);
        OK(tw_loop_poll(loop, 0));
    }
    /* What a closing leaves to do is done soon. */
    while (poll(&watched, 1, 300) == 1) {
        OK(tw_loop_poll(loop, 0));
    }
    OK(tw_loop_free(loop, 0));
}

static void count(void *user)
{
    ++*(int *)user;
}

static void count_elsewhere(void *user)
{
    ++*(_Atomic int *)user;
}

static void *stop(void *user)
{
    OK(tw_loop_stop(*(tw_loop *)user));
    return NULL;
}

/* run, poll with a timeout, timers, posts and stops. */
static void driven(struct host *host)
{
    tw_loop loop = waiting_loop();
    pthread_t thread;
    double begin = now_s();
    int calls = 0;
    _Atomic int elsewhere = 0;

    OK(tw_loop_poll(loop, 0));
    OK(tw_loop_poll(loop, 30));
    OK(tw_timer_start(loop, 20, 0, count, &calls, NULL));
    poll_until(loop, &calls);
    CHECK(now_s() - begin >= 0.049);
    calls = 0;
    OK(tw_post(loop, count, &calls));
    poll_until(loop, &calls);
    OK(tw_loop_stop(loop));
    OK(tw_loop_run(loop));
    CHECK(pthread_create(&thread, NULL, stop, &loop) == 0);
    OK(tw_loop_run(loop));
    CHECK(pthread_join(thread, NULL) == 0);
    talk(loop, host);
    poll_until(loop, &host->closes);
    talk(loop, host);
    OK(tw_loop_free(loop, 0));
    CHECK(host->closes == 1);

    loop = waiting_loop();
    OK(tw_loop_start(loop));
    CHECK_STATUS(TW_EBUSY, tw_loop_poll(loop, 0));
    OK(tw_post(loop, count_elsewhere, &elsewhere));
    while (elsewhere == 0) {
        sched_yield();
    }
    OK(tw_loop_free(loop, 0));
    OK(tw_loop_free(waiting_loop(), 0));
}

int main(void)
{
    static struct host host;

    pthread_mutex_init(&host.lock, NULL);
    pthread_cond_init(&host.poked, NULL);
    told(&host);
    watched(&host);
    driven(&host);
    return 0;
}
