/* A thread of the library does everything; the main thread takes messages out of a queue, as a program does that
 * blocks elsewhere. Sends from both threads. While the queue is full nothing is read.
 *
 *   cc thread_host.c $(pkg-config --cflags --libs tightwire) -lpthread -o thread_host
 *   ./thread_host ws://127.0.0.1:9001
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <tightwire.h>

#define PLACES 64

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    tw_buf *places[PLACES];
    unsigned first, count;
    tw_ws ws;
    int closed;
    char ending[300];
};

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    tw_send(ws, TW_TEXT, "one", 3);
}

/* On the library's thread: the payload is kept, and the main thread gives it back. */
static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct queue *queue = user;
    tw_buf *kept = tw_buf_keep(message);

    if (kept == NULL) {
        tw_abort(ws); /* no memory */
        return;
    }
    pthread_mutex_lock(&queue->lock);
    queue->places[(queue->first + queue->count++) % PLACES] = kept;
    if (queue->count == PLACES) {
        tw_pause(ws); /* from here on no message comes until take() has made room */
    }
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct queue *queue = user;

    (void)ws;
    pthread_mutex_lock(&queue->lock);
    snprintf(queue->ending, sizeof queue->ending, "closed: %d %s", closed->code, closed->error_text.ptr);
    queue->closed = 1;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

/* The next message, or NULL when there will be none. */
static tw_buf *take(struct queue *queue)
{
    tw_buf *taken = NULL;
    int was_full;

    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed) {
        pthread_cond_wait(&queue->filled, &queue->lock);
    }
    was_full = queue->count == PLACES;
    if (queue->count > 0) {
        taken = queue->places[queue->first];
        queue->first = (queue->first + 1) % PLACES;
        queue->count--;
    }
    pthread_mutex_unlock(&queue->lock);
    if (was_full) {
        tw_resume(queue->ws);
    }
    return taken;
}

int main(int argc, char **argv)
{
    static struct queue queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_message = on_message, .on_close = on_close};
    tw_client_opts options = {.size = sizeof options, .events = &events, .user = &queue};
    tw_buf *message;
    tw_loop loop;
    tw_error error;

    options.url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    if (tw_loop_new(NULL, &loop, &error) || tw_connect(loop, &options, &queue.ws, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_loop_start(loop);
    while ((message = take(&queue)) != NULL) {
        size_t len;
        const char *text = tw_buf_data(message, &len);

        printf("< %.*s\n", (int)len, text);
        if (len == 3 && memcmp(text, "one", 3) == 0) {
            tw_send(queue.ws, TW_TEXT, "two", 3);
        } else if (len == 3 && memcmp(text, "two", 3) == 0) {
            tw_close(queue.ws, 1000, "enough");
        }
        tw_buf_unref(message);
    }
    puts(queue.ending);
    return tw_loop_free(loop, 1000);
}
