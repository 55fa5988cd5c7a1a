/* A client in a libuv loop, beside a timer of libuv's: three messages, then it closes.
 *
 *   cc libuv_host.c $(pkg-config --cflags --libs tightwire libuv) -o libuv_host
 *   ./libuv_host ws://127.0.0.1:9001
 */
#include <stdio.h>
#include <tightwire.h>
#include <uv.h>

static tw_loop loop;
static tw_ws ws;
static uv_poll_t watcher;
static uv_timer_t ticks;
static int answers;

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
    tw_loop_poll(loop, 0);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    tw_send(ws, TW_TEXT, "tick", 4);
}

static void on_message(tw_ws id, void *user, const tw_msg *message)
{
    (void)user;
    printf("< %.*s\n", (int)message->len, (const char *)message->data);
    if (++answers == 3) {
        tw_close(id, 1000, "enough");
    }
}

static void on_close(tw_ws id, void *user, const tw_close_ev *closed)
{
    (void)id, (void)user;
    printf("closed: %d %s\n", closed->code, closed->error_text.ptr);
    uv_close((uv_handle_t *)&watcher, NULL);
    uv_close((uv_handle_t *)&ticks, NULL);
}

int main(int argc, char **argv)
{
    tw_events events = {.size = sizeof events, .on_message = on_message, .on_close = on_close};
    tw_client_opts options = {.size = sizeof options, .events = &events};
    uv_loop_t *uv = uv_default_loop();
    tw_error error;
    intptr_t fd;

    options.url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    if (tw_loop_new(NULL, &loop, &error) || tw_connect(loop, &options, &ws, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_loop_fd(loop, &fd);
    uv_poll_init(uv, &watcher, (int)fd);
    uv_poll_start(&watcher, UV_READABLE, on_readable);
    uv_timer_init(uv, &ticks);
    uv_timer_start(&ticks, on_tick, 100, 100);
    uv_run(uv, UV_RUN_DEFAULT);
    uv_loop_close(uv);
    return tw_loop_free(loop, 0);
}
