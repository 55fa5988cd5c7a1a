/* The echo server for outside judges; its command line is in tests/README.md. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>

static tw_loop loop;
static uint32_t compress_all; /* TW_DEFLATE with --deflate-threshold 0 */

static void echo(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    tw_send(ws, message->flags | compress_all, message->data, message->len);
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

/* The number of a mode, or 0. */
static uint32_t mode_of(const char *name)
{
    static const char *const names[] = {"shared", "dedicated", "parked"};
    static const uint32_t modes[] = {TW_DEFLATE_SHARED, TW_DEFLATE_DEDICATED, TW_DEFLATE_PARKED};
    size_t i;

    for (i = 0; i < 3; i++) {
        if (strcmp(names[i], name) == 0) {
            return modes[i];
        }
    }
    return 0;
}

struct settings {
    long port;
    void (*on_message)(tw_ws ws, void *user, const tw_msg *message);
    const char *cert, *key;
    const char *origins[2];
    tw_tuning tuning;
};

static int read_arguments(int argc, char **argv, struct settings *settings)
{
    int i;

    for (i = 1; i < argc; i++) {
        char *end;

        if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            settings->port = strtol(argv[++i], &end, 10);
            if (*end || settings->port < 0 || settings->port > 65535) {
                return usage("--port: not a port: ", argv[i]);
            }
        } else if (strcmp(argv[i], "--mode") == 0 && i + 1 < argc) {
            i++;
            if (strcmp(argv[i], "sink") == 0) {
                settings->on_message = sink;
            } else if (strcmp(argv[i], "echo") != 0) {
                return usage("--mode: use echo or sink, not ", argv[i]);
            }
        } else if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
            settings->cert = argv[++i];
            settings->key = argv[++i];
        } else if (strcmp(argv[i], "--origin") == 0 && i + 1 < argc) {
            settings->origins[0] = argv[++i];
        } else if (strcmp(argv[i], "--deflate") == 0) {
            settings->tuning.deflate = TW_DEFLATE_DEDICATED;
        } else if (strcmp(argv[i], "--deflate-mode") == 0 && i + 1 < argc) {
            settings->tuning.deflate = mode_of(argv[++i]);
            if (settings->tuning.deflate == 0) {
                return usage("--deflate-mode: use shared, dedicated or parked, not ", argv[i]);
            }
        } else if (strcmp(argv[i], "--deflate-level") == 0 && i + 1 < argc) {
            settings->tuning.deflate_level = (uint32_t)strtoul(argv[++i], &end, 10);
            if (*end || settings->tuning.deflate_level < 1 || settings->tuning.deflate_level > 9) {
                return usage("--deflate-level: use 1 to 9, not ", argv[i]);
            }
        } else if (strcmp(argv[i], "--deflate-threshold") == 0 && i + 1 < argc) {
            uint32_t bytes = (uint32_t)strtoul(argv[++i], &end, 10);

            if (*end) {
                return usage("--deflate-threshold: not a number: ", argv[i]);
            }
            settings->tuning.deflate_threshold = bytes;
            compress_all = bytes ? 0 : TW_DEFLATE;
        } else {
            return usage("unknown or incomplete argument: ", argv[i]);
        }
    }
    return settings->port < 0 ? usage("--port is missing", "") : 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {-1, echo, NULL, NULL, {NULL}, {.size = sizeof(tw_tuning)}};
    tw_events events = {.size = sizeof events};
    tw_server_opts options = {.size = sizeof options, .events = &events};
    tw_tls_opts identity = {.size = sizeof identity};
    tw_server server;
    tw_error error;
    char address[64];
    uint16_t bound;

    if (read_arguments(argc, argv, &settings)) {
        return 2;
    }
    events.on_message = settings.on_message;
    identity.cert_file = settings.cert;
    identity.key_file = settings.key;
    if (settings.cert && tw_tls_new(&identity, &options.tls, &error)) {
        return usage("--tls: ", error.text);
    }
    snprintf(address, sizeof address, "%s://127.0.0.1:%ld", options.tls ? "wss" : "ws", settings.port);
    options.listen = address;
    options.origins = settings.origins;
    options.tuning = &settings.tuning;
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
