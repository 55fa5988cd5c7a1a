/* The same program for every host: a server and its clients in one loop, whose callbacks it writes down. What it
 * prints is the same however the loop is driven: `program BUDGET waiter|plain`. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"

#define CLIENTS 3

unsigned long polls;

static tw_loop loop;
static volatile int done;
static int open_clients;
static unsigned long polls_before_rest;

/* The order is promised for one connection, so each has a transcript of its own. */
struct transcript {
    char text[16384];
    size_t len;
};

struct client {
    int number, step, pongs;
    tw_ws ws;
    struct transcript log;
};

static struct client clients[CLIENTS];
static struct transcript server_logs[CLIENTS], general;
static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 1048576};
static char payload[1048576];

static void note(struct transcript *log, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log->len += (size_t)vsnprintf(log->text + log->len, sizeof log->text - log->len, format, args);
    va_end(args);
    if (log->len >= sizeof log->text) {
        abort();
    }
}

static void must(tw_status status)
{
    if (status != TW_OK) {
        fprintf(stderr, "a call gave %d: %s\n", status, tw_strerror(status));
        exit(1);
    }
}

static unsigned sum(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    unsigned total = 0;

    while (len-- > 0) {
        total = total * 31 + *bytes++;
    }
    return total;
}

/* ---- the server: which of its connections belongs to which client is told by the path ---- */

struct accepted {
    int number;
};

static void server_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct accepted *accepted = user;

    note(&server_logs[accepted->number], "message %u %lu %x\n", (unsigned)message->flags, (unsigned long)message->len,
         sum(message->data, message->len));
    must(tw_send(ws, message->flags, message->data, message->len));
}

static void server_ping(tw_ws ws, void *user, const tw_msg *ping)
{
    (void)ws;
    note(&server_logs[((struct accepted *)user)->number], "ping %.*s\n", (int)ping->len, (const char *)ping->data);
}

static void server_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)opened;
    note(&server_logs[((struct accepted *)user)->number], "open\n");
}

static void server_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct accepted *accepted = user;

    (void)ws;
    note(&server_logs[accepted->number], "close %d %d %s\n", closed->code, closed->clean, closed->reason.ptr);
    free(accepted);
}

static void on_request(tw_server server, void *user, tw_ws ws, const tw_request *request)
{
    struct accepted *accepted = malloc(sizeof *accepted);
    tw_events events;

    (void)server, (void)user;
    accepted->number = atoi(request->target.ptr + 1);
    note(&server_logs[accepted->number], "request %s\n", request->target.ptr);
    memset(&events, 0, sizeof events);
    events.size = sizeof events;
    events.on_open = server_open;
    events.on_message = server_message;
    events.on_ping = server_ping;
    events.on_close = server_close;
    must(tw_accept(ws, NULL, NULL, &events, accepted));
}

/* ---- the clients ---- */

static void rest_is_over(void *user)
{
    (void)user;
    /* A loop with nothing to do wakes nobody: one poll for this timer, and one for what it leaves at most. */
    note(&general, "idle: %s\n", polls - polls_before_rest <= 4 ? "quiet" : "busy");
    done = 1;
}

static void rest(void *user)
{
    (void)user;
    polls_before_rest = polls;
    must(tw_timer_start(loop, 300, 0, rest_is_over, NULL, NULL));
}

static void next_step(struct client *client)
{
    int count = (int)(sizeof sizes / sizeof *sizes);

    if (client->step < 2 * count) {
        must(tw_send(client->ws, client->step % 2 ? TW_TEXT : TW_BINARY, payload, sizes[client->step / 2]));
    } else if (client->step == 2 * count) {
        must(tw_ping(client->ws, "are you there?", 14));
    } else {
        must(tw_close(client->ws, 4000 + client->number, "that is all"));
    }
    client->step++;
}

static void go_on(void *user)
{
    struct client *client = user;

    note(&client->log, "resumed\n");
    must(tw_resume(client->ws));
}

static void client_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct client *client = user;

    client->ws = ws;
    note(&client->log, "open %s\n", strrchr(opened->url.ptr, '/'));
    next_step(client);
}

static void client_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct client *client = user;

    note(&client->log, "message %u %lu %x\n", (unsigned)message->flags, (unsigned long)message->len,
         sum(message->data, message->len));
    if (client->step == 5) {
        /* The next echo waits until a timer says so. */
        must(tw_pause(ws));
        must(tw_timer_start(loop, 20, 0, go_on, client, NULL));
    }
    next_step(client);
}

static void posted(void *user)
{
    struct client *client = user;

    note(&client->log, "posted\n");
    next_step(client);
}

static void client_pong(tw_ws ws, void *user, const tw_msg *pong)
{
    struct client *client = user;

    (void)ws;
    note(&client->log, "pong %.*s\n", (int)pong->len, (const char *)pong->data);
    must(tw_post(loop, posted, client));
}

static void client_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct client *client = user;

    (void)ws;
    note(&client->log, "close %d %d %s\n", closed->code, closed->clean, closed->reason.ptr);
    if (--open_clients == 0) {
        must(tw_timer_start(loop, 100, 0, rest, NULL, NULL));
    }
}

static void refused(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    note(&general, "refused: %d %d %s\n", closed->code, closed->error ? closed->error->code : 0, closed->phase.ptr);
}

static void connect_to(unsigned port, const char *path, const tw_events *events, void *user)
{
    tw_client_opts options;
    char url[64];
    tw_ws ws;

    sprintf(url, "ws://127.0.0.1:%u/%s", port, path);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.url = url;
    options.events = events;
    options.user = user;
    must(tw_connect(loop, &options, &ws, NULL));
}

static void begin(void)
{
    tw_events serving, asking, refusing;
    tw_server_opts options;
    tw_server server;
    uint16_t port;
    int at;

    memset(&serving, 0, sizeof serving);
    memset(&asking, 0, sizeof asking);
    memset(&refusing, 0, sizeof refusing);
    memset(&options, 0, sizeof options);
    serving.size = asking.size = refusing.size = sizeof serving;
    asking.on_open = client_open;
    asking.on_message = client_message;
    asking.on_pong = client_pong;
    asking.on_close = client_close;
    refusing.on_close = refused;
    options.size = sizeof options;
    options.listen = "ws://127.0.0.1:0";
    options.events = &serving;
    options.on_request = on_request;
    must(tw_listen(loop, &options, &server, NULL));
    must(tw_server_port(server, &port));
    open_clients = CLIENTS;
    for (at = 0; at < CLIENTS; at++) {
        char path[8];

        clients[at].number = at;
        sprintf(path, "%d", at);
        connect_to(port, path, &asking, &clients[at]);
    }
    connect_to(1, "", &refusing, NULL);
}

int main(int argc, char **argv)
{
    tw_loop_opts options;
    int at;

    if (argc != 3) {
        return 2;
    }
    memset(payload, 'x', sizeof payload);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.reads_per_turn = (uint32_t)atoi(argv[1]);
    options.flags = strcmp(argv[2], "waiter") == 0 ? TW_LOOP_WAITER : 0;
    must(tw_loop_new(&options, &loop, NULL));
    begin();
    drive(loop, options.flags, &done);
    must(tw_loop_free(loop, 0));
    for (at = 0; at < CLIENTS; at++) {
        printf("client %d\n%sserver %d\n%s", at, clients[at].log.text, at, server_logs[at].text);
    }
    printf("general\n%s", general.text);
    return 0;
}
