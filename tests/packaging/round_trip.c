/* A server and a client in one loop: built from installed files alone. */
#include <stdio.h>
#include <string.h>
#include <tightwire.h>

static int answered;

static void echo(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    tw_send(ws, message->flags, message->data, message->len);
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    tw_send(ws, TW_TEXT, "hello", 5);
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws;
    answered = message->len == 5 && memcmp(message->data, "hello", 5) == 0;
    tw_loop_stop(*(tw_loop *)user);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws;
    if (closed->error) {
        fprintf(stderr, "%s\n", closed->error->text);
        tw_loop_stop(*(tw_loop *)user);
    }
}

int main(void)
{
    tw_events serving, asking;
    tw_server_opts server;
    tw_client_opts client;
    tw_server listening;
    tw_loop loop;
    tw_ws ws;
    unsigned short port;
    char url[64];

    memset(&serving, 0, sizeof serving);
    memset(&asking, 0, sizeof asking);
    memset(&server, 0, sizeof server);
    memset(&client, 0, sizeof client);
    serving.size = asking.size = sizeof serving;
    serving.on_message = echo;
    asking.on_open = on_open;
    asking.on_message = on_message;
    asking.on_close = on_close;
    server.size = sizeof server;
    server.listen = "ws://127.0.0.1:0";
    server.events = &serving;
    if (tw_loop_new(NULL, &loop, NULL) || tw_listen(loop, &server, &listening, NULL) ||
        tw_server_port(listening, &port)) {
        return 1;
    }
    sprintf(url, "ws://127.0.0.1:%u/", port);
    client.size = sizeof client;
    client.url = url;
    client.events = &asking;
    client.user = &loop;
    if (tw_connect(loop, &client, &ws, NULL)) {
        return 1;
    }
    tw_loop_run(loop);
    tw_loop_free(loop, 1000);
    puts(answered ? "hello" : "no answer");
    return !answered;
}
