/* What the examples share: a way to give up, a loop with an echo server, and its URL. */
#ifndef SETUP_H
#define SETUP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>

/* Ends the program unless `status` is TW_OK. */
static inline void need(tw_status status)
{
    if (status != TW_OK) {
        fprintf(stderr, "%s\n", tw_strerror(status));
        exit(1);
    }
}

static inline void need_true(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        exit(1);
    }
}

static inline void send_back(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    tw_send(ws, message->flags, message->data, message->len);
}

/* Starts an echo server on `loop`; its URL goes to `url`. */
static inline tw_server serve_echo(tw_loop loop, char url[64])
{
    tw_events events = {.size = sizeof events, .on_message = send_back};
    tw_server_opts options = {.size = sizeof options, .listen = "127.0.0.1:0", .events = &events};
    tw_server server;
    uint16_t port;

    need(tw_listen(loop, &options, &server, NULL));
    need(tw_server_port(server, &port));
    snprintf(url, 64, "ws://127.0.0.1:%d/", port);
    return server;
}

/* Connects to `url` on `loop`. */
static inline tw_ws join(tw_loop loop, const char *url, const tw_events *events, void *user)
{
    tw_client_opts options = {.size = sizeof options, .url = url, .events = events, .user = user};
    tw_ws ws;

    need(tw_connect(loop, &options, &ws, NULL));
    return ws;
}

#endif
