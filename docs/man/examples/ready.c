/* A host that can be poked and nothing else: here a condition variable. */
#define _POSIX_C_SOURCE 200809L
#include "setup.h"
#include <pthread.h>

static int done;

/* example: tw_loop_on_ready */
struct host {
    pthread_mutex_t lock;
    pthread_cond_t poked;
    int work;
};

static void poke(void *user)
{
    struct host *host = user;

    pthread_mutex_lock(&host->lock);
    host->work = 1;
    pthread_cond_signal(&host->poked);
    pthread_mutex_unlock(&host->lock);
}

static void run_host(struct host *host, tw_loop loop)
{
    need(tw_loop_on_ready(loop, poke, host));
    while (!done) {
        pthread_mutex_lock(&host->lock);
        while (!host->work)
            pthread_cond_wait(&host->poked, &host->lock);
        host->work = 0;
        pthread_mutex_unlock(&host->lock);
        tw_loop_poll(loop, 0);
    }
    need(tw_loop_on_ready(loop, NULL, NULL));
}
/* end */

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

int main(void)
{
    struct host host = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_close = on_close};
    /* example: tw_loop_on_ready */
    tw_loop_opts options = {.size = sizeof options, .flags = TW_LOOP_WAITER};
    tw_loop loop;

    need(tw_loop_new(&options, &loop, NULL));
    /* end */
    char url[64];

    serve_echo(loop, url);
    join(loop, url, &events, NULL);
    run_host(&host, loop);
    need(tw_loop_free(loop, 0));
    return 0;
}
