/* The echo server for outside judges; its command line is in tests/README.md. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>

static tw_loop loop;

static void echo(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    tw_send(ws, message->flags, message->data, message->len);
}

static void sink(tw_ws ws, void *user, const tw_msg *message)
{
    if (message->len < 16) {
        echo(ws, user, message);
    }
}

static void stop(int number)
{
    (void)number;
    tw_loop_stop(loop);
}

static int usage(const char *what, const char *detail)
{
    fprintf(stderr, "echo-server-c: %s%s\n", what, detail);
    return 2;
}

int main(int argc, char **argv)
{
    tw_events events = {.size = sizeof events};
    tw_server_opts options = {.size = sizeof options};
    tw_tls_opts identity = {.size = sizeof identity};
    tw_server server;
    tw_error error;
    char address[64];
    uint16_t bound;
    long port = -1;
    int i;

    events.on_message = echo;
    for (i = 1; i < argc; i++) {
        char *end;

        if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            port = strtol(argv[++i], &end, 10);
            if (*end || port < 0 || port > 65535) {
                return usage("--port: not a port: ", argv[i]);
            }
        } else if (strcmp(argv[i], "--mode") == 0 && i + 1 < argc) {
            i++;
            if (strcmp(argv[i], "sink") == 0) {
                events.on_message = sink;
            } else if (strcmp(argv[i], "echo") != 0) {
                return usage("--mode: use echo or sink, not ", argv[i]);
            }
        } else if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
            identity.cert_file = argv[++i];
            identity.key_file = argv[++i];
        } else if (strcmp(argv[i], "--deflate") == 0) {
            return usage("--deflate: not built", "");
        } else {
            return usage("unknown or incomplete argument: ", argv[i]);
        }
    }
    if (port < 0) {
        return usage("--port is missing", "");
    }
    if (identity.cert_file && tw_tls_new(&identity, &options.tls, &error)) {
        return usage("--tls: ", error.text);
    }
    snprintf(address, sizeof address, "%s://127.0.0.1:%ld", options.tls ? "wss" : "ws", port);
    options.listen = address;
    options.events = &events;
    if (tw_loop_new(NULL, &loop, &error) || tw_listen(loop, &options, &server, &error)) {
        fprintf(stderr, "echo-server-c: %s\n", error.text);
        return 1;
    }
    tw_server_port(server, &bound);
    printf("%d\n", bound);
    fflush(stdout);
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    tw_loop_run(loop);
    tw_loop_free(loop, 5000); /* closes with 1001 */
    if (options.tls) {
        tw_tls_free(options.tls);
    }
    return 0;
}
