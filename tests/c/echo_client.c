/* The client for Autobahn's fuzzing server; see tests/README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>

#define AGENT "tightwire-c"

static tw_loop loop;
static uint32_t deflate; /* one of TW_DEFLATE_OFF and its relatives */

struct visit {
    int opened;
    long count; /* what a text message of digits says */
};

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)opened;
    ((struct visit *)user)->opened = 1;
}

static void on_count(tw_ws ws, void *user, const tw_msg *message)
{
    char digits[16] = "";

    (void)ws;
    if (message->len < sizeof digits) {
        memcpy(digits, message->data, message->len);
        ((struct visit *)user)->count = strtol(digits, NULL, 10);
    }
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    /* The server cannot take an uncompressed answer in its cases of compression. */
    tw_send(ws, message->flags | TW_DEFLATE, message->data, message->len);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    const struct visit *visit = user;

    (void)ws;
    if (!visit->opened && closed->error) {
        fprintf(stderr, "echo-client-c: %s\n", closed->error->text);
    }
    tw_loop_stop(loop);
}

/* Connects, does what the server wants until it closes. */
static struct visit visit(const char *base, const char *path, int counting)
{
    tw_events events = {.size = sizeof events};
    tw_tuning tuning = {.size = sizeof tuning};
    tw_client_opts options = {.size = sizeof options};
    struct visit state = {0, -1};
    tw_error error;
    char url[512];
    tw_ws ws;

    snprintf(url, sizeof url, "%s%s", base, path);
    events.on_open = on_open;
    events.on_message = counting ? on_count : on_message;
    events.on_close = on_close;
    tuning.ping_interval_ms = TW_NEVER; /* Autobahn counts pings against a case */
    tuning.deflate = deflate;
    options.url = url;
    options.tuning = &tuning;
    options.events = &events;
    options.user = &state;
    if (tw_connect(loop, &options, &ws, &error)) {
        fprintf(stderr, "echo-client-c: %s\n", error.text);
    } else {
        tw_loop_run(loop);
    }
    return state;
}

/* Takes `--deflate-mode MODE`, if it is there, out of the arguments. */
static int read_mode(int *argc, char ***argv)
{
    static const char *const names[] = {"off", "shared", "dedicated", "parked"};
    static const uint32_t modes[] = {TW_DEFLATE_OFF, TW_DEFLATE_SHARED, TW_DEFLATE_DEDICATED, TW_DEFLATE_PARKED};
    size_t i;

    if (*argc < 3 || strcmp((*argv)[1], "--deflate-mode") != 0) {
        return 1;
    }
    for (i = 0; i < 4; i++) {
        if (strcmp(names[i], (*argv)[2]) == 0) {
            deflate = modes[i];
        }
    }
    *argc -= 2;
    *argv += 2;
    return deflate != 0;
}

int main(int argc, char **argv)
{
    char base[256], path[64];
    struct visit state;
    size_t len;
    long i, count;

    if (!read_mode(&argc, &argv) || argc != 2 || strlen(argv[1]) >= sizeof base) {
        fprintf(stderr, "usage: echo-client-c [--deflate-mode off|shared|dedicated|parked] URL\n");
        return 2;
    }
    strcpy(base, argv[1]);
    len = strlen(base);
    if (len > 0 && base[len - 1] == '/') {
        base[len - 1] = 0;
    }
    if (tw_loop_new(NULL, &loop, NULL)) {
        return 1;
    }
    count = visit(base, "/getCaseCount", 1).count;
    if (count < 0) {
        fprintf(stderr, "echo-client-c: no case count from %s\n", base);
        tw_loop_free(loop, 0);
        return 1;
    }
    for (i = 1; i <= count; i++) {
        snprintf(path, sizeof path, "/runCase?case=%ld&agent=" AGENT, i);
        visit(base, path, 0);
    }
    state = visit(base, "/updateReports?agent=" AGENT, 0);
    tw_loop_free(loop, 0);
    return state.opened ? 0 : 1;
}
