/* A loop on a thread of the library, used from this one. */
#define _POSIX_C_SOURCE 200809L
#include "setup.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

struct view {
    tw_ws ws;
    int messages;
};

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    tw_send(ws, TW_TEXT, "hello", 5);
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct view *view = user;

    (void)ws, (void)message;
    pthread_mutex_lock(&lock);
    view->messages++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

/* example: tw_detach */
/* The lock, which callbacks take, is not held here: tw_detach may wait for a callback. */
static void view_free(struct view *view)
{
    tw_detach(view->ws);
    free(view); /* no callback gets it any more */
}
/* end */

/* example: tw_post */
static void on_loop_thread(void *user)
{
    pthread_mutex_lock(&lock);
    *(int *)user = 1; /* runs between callbacks, never beside one */
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}
/* end */

static void await(const int *value)
{
    pthread_mutex_lock(&lock);
    while (!*value)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

int main(void)
{
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_message = on_message};
    struct view *view = calloc(1, sizeof *view);
    char url[64];
    int posted = 0;
    tw_loop loop;

    need_true(view != NULL, "there is memory");
    /* example: tw_loop_start */
    need(tw_loop_new(NULL, &loop, NULL));
    need(tw_loop_start(loop)); /* callbacks run on a thread of the library from now on */
    /* end */
    serve_echo(loop, url);
    view->ws = join(loop, url, &events, view);
    await(&view->messages);
    /* example: tw_post */

    need(tw_post(loop, on_loop_thread, &posted));
    /* end */
    await(&posted);
    view_free(view);
    /* example: tw_loop_start */
    need(tw_loop_free(loop, 1000)); /* ends that thread */
    /* end */
    return 0;
}
