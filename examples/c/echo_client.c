/* A WebSocket client: sends one message, prints the answer and closes.
 *
 *   cc echo_client.c -ltightwire -o echo_client && ./echo_client ws://127.0.0.1:9001
 */
#include <stdio.h>
#include <string.h>
#include <tightwire.h>

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    const char *text = user;

    printf("open: %s\n", opened->url.ptr);
    tw_send(ws, TW_TEXT, text, strlen(text));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    printf("message: %.*s\n", (int)message->len, (const char *)message->data);
    tw_close(ws, 1000, "bye");
}

static void on_error(tw_ws ws, void *user, const tw_error *error)
{
    (void)ws, (void)user;
    printf("error: %s\n", error->text);
}

static tw_loop loop;

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    printf("closed: %d %s\n", closed->code, closed->reason.ptr);
    tw_loop_stop(loop);
}

int main(int argc, char **argv)
{
    tw_events events = {.size = sizeof events};
    tw_client_opts options = {.size = sizeof options};
    tw_error error;
    tw_ws ws;

    events.on_open = on_open;
    events.on_message = on_message;
    events.on_error = on_error;
    events.on_close = on_close;
    options.url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    options.events = &events;
    options.user = "hello from C";
    if (tw_loop_new(NULL, &loop, &error) || tw_connect(loop, &options, &ws, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_loop_run(loop);
    return tw_loop_free(loop, 0);
}
