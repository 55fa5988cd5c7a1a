/* A client: says hello, hears it back, closes. */
#include "setup.h"

static tw_loop loop;
static int heard;

/* example: tw_connect tw_send tw_close tw_loop_stop */
static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    tw_send(ws, TW_TEXT, "hello", 5);
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    printf("%.*s\n", (int)message->len, (const char *)message->data);
    heard++;
    tw_close(ws, 1000, "bye");
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    if (closed->error)
        fprintf(stderr, "%s\n", closed->error->text);
    tw_loop_stop(loop);
}
/* end */

/* example: tw_connect */

static tw_ws start(const char *url)
{
    tw_events events = {
        .size = sizeof events, .on_open = on_open, .on_message = on_message, .on_close = on_close};
    tw_client_opts options = {.size = sizeof options, .url = url, .events = &events};
    tw_error error;
    tw_ws ws = 0;

    if (tw_connect(loop, &options, &ws, &error))
        fprintf(stderr, "%s\n", error.text);
    return ws;
}
/* end */

int main(void)
{
    char url[64];

    /* example: tw_loop_new tw_loop_run tw_loop_free */
    tw_error error;

    if (tw_loop_new(NULL, &loop, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    /* end */
    serve_echo(loop, url);
    if (start(url) == 0)
        return 1;
    /* example: tw_loop_run tw_loop_free */

    tw_loop_run(loop); /* until a callback calls tw_loop_stop */
    tw_loop_free(loop, 1000);
    /* end */
    return heard == 1 ? 0 : 1;
}
