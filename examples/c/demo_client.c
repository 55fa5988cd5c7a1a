/* The C client of `make demo`: demo_client WSS_URL WS_URL CA_FILE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>

#define GREETING "Grüße, 世界! 👋"
#define SIZE ((size_t)1 << 20)

static unsigned char bytes[SIZE];

struct talk {
    tw_loop loop;
    int failed;
};

static int is(const tw_msg *message, const char *text)
{
    return message->len == strlen(text) && memcmp(message->data, text, message->len) == 0;
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user;
    printf("open     wss, subprotocol %s\n", opened->protocol.ptr);
    printf("said     %s\n", GREETING);
    tw_send(ws, TW_TEXT, GREETING, strlen(GREETING));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    if (message->flags & TW_BINARY) {
        int same = message->len == SIZE && memcmp(message->data, bytes, SIZE) == 0;
        printf("heard    %zu bytes, %s\n", message->len, same ? "all the same" : "different");
        printf("said     tell me a story\n");
        tw_send(ws, TW_TEXT, "tell me a story", strlen("tell me a story"));
        return;
    }
    printf("heard    %.*s\n", (int)message->len, (const char *)message->data);
    if (is(message, GREETING)) {
        printf("said     %zu bytes\n", SIZE);
        tw_send(ws, TW_BINARY, bytes, SIZE);
    } else {
        tw_close(ws, 4000, "see you");
    }
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct talk *talk = user;
    (void)ws;
    if (closed->error)
        printf("refused  %s\n", closed->error->text);
    else
        printf("closed   %d %s, %s\n", closed->code, closed->reason.ptr, closed->clean ? "clean" : "not clean");
    talk->failed = closed->error != NULL;
    tw_loop_stop(talk->loop);
}

/* Connects to `url` and runs the loop until the connection is over. */
static int run(struct talk *talk, const char *url, tw_tls tls)
{
    const char *protocols[] = {"demo.v1", NULL};
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_message = on_message, .on_close = on_close};
    tw_client_opts opts = {
        .size = sizeof opts, .url = url, .protocols = protocols, .tls = tls, .events = &events, .user = talk};
    tw_ws ws;
    tw_error error;

    if (tw_connect(talk->loop, &opts, &ws, &error) || tw_loop_run(talk->loop)) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return talk->failed;
}

int main(int argc, char **argv)
{
    struct talk talk = {0, 0};
    tw_tls_opts trust = {.size = sizeof trust};
    tw_tls tls;
    tw_error error;
    char url[256];
    int talked, refused;

    if (argc != 4) {
        fprintf(stderr, "usage: demo_client WSS_URL WS_URL CA_FILE\n");
        return 2;
    }
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i % 251);
    trust.ca_file = argv[3];
    if (tw_loop_new(NULL, &talk.loop, &error) || tw_tls_new(&trust, &tls, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    snprintf(url, sizeof url, "%s/c", argv[1]);
    talked = !run(&talk, url, tls);
    snprintf(url, sizeof url, "%s/members", argv[2]);
    refused = run(&talk, url, 0);
    tw_tls_free(tls);
    tw_loop_free(talk.loop, 1000);
    return talked && refused ? 0 : 1;
}
