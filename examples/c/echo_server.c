/* A WebSocket server that sends every message back.
 *
 *   cc echo_server.c -ltightwire -o echo_server && ./echo_server ws://127.0.0.1:9001
 */
#include <signal.h>
#include <stdio.h>
#include <tightwire.h>

static tw_loop loop;

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    tw_send(ws, message->flags, message->data, message->len);
}

static void on_signal(int number)
{
    (void)number;
    tw_loop_stop(loop); /* safe in a signal handler */
}

int main(int argc, char **argv)
{
    tw_events events = {.size = sizeof events};
    tw_server_opts options = {.size = sizeof options};
    tw_server server;
    tw_error error;
    uint16_t port;

    events.on_message = on_message;
    options.listen = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    options.events = &events;
    if (tw_loop_new(NULL, &loop, &error) || tw_listen(loop, &options, &server, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_server_port(server, &port);
    printf("listening on port %d\n", port);
    fflush(stdout);

    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    tw_loop_run(loop);
    tw_loop_free(loop, 5000); /* closes every connection with 1001 */
    return 0;
}
