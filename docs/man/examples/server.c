/* A server: tells everyone what one of them said. */
#include "setup.h"

static int opened, heard;

/* example: tw_listen tw_broadcast tw_server_port */
static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    tw_server *server = user;
    size_t count;

    (void)ws;
    tw_broadcast(*server, message->flags, message->data, message->len, &count);
    printf("told %zu\n", count);
}

static int serve(tw_loop loop, tw_server *server, uint16_t *port)
{
    tw_events events = {.size = sizeof events, .on_message = on_message};
    tw_server_opts options = {
        .size = sizeof options, .listen = "ws://127.0.0.1:0", .events = &events, .user = server};
    tw_error error;

    if (tw_listen(loop, &options, server, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    return tw_server_port(*server, port) == TW_OK ? 0 : -1;
}
/* end */

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)user, (void)event;
    if (++opened == 2)
        tw_send(ws, TW_TEXT, "both are here", 13);
}

static void on_news(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user, (void)message;
    heard++;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    need_true(closed->code == 1001, "the server goes away with 1001");
    opened--;
}

int main(void)
{
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_message = on_news, .on_close = on_close};
    tw_loop loop;
    tw_server server;
    uint16_t port;
    char url[64];

    need(tw_loop_new(NULL, &loop, NULL));
    if (serve(loop, &server, &port))
        return 1;
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    join(loop, url, &events, NULL);
    join(loop, url, &events, NULL);
    while (heard < 2)
        need(tw_loop_poll(loop, 1000));
    /* example: tw_server_close */
    /* Everyone has two seconds to say good-bye. Nothing is waited for here. */
    need(tw_server_close(server, 2000));
    /* end */
    while (opened > 0)
        need(tw_loop_poll(loop, 1000));
    need(tw_loop_free(loop, 0));
    return 0;
}
