/* TW_CLIENT_SERIALIZE_CONNECTS: connections to one host are made one after the other. */
#include "check.h"

/* A server that answers when it is told to, and who asked it. */
struct gate {
    int asked;
    tw_ws ws[8];
    char target[8][16];
};

struct client {
    int opened, closed, code;
};

static void on_request(tw_server server, void *user, tw_ws ws, const tw_request *request)
{
    struct gate *gate = user;

    (void)server;
    CHECK(gate->asked < 8 && request->target.len < sizeof gate->target[0]);
    memcpy(gate->target[gate->asked], request->target.ptr, request->target.len + 1);
    gate->ws[gate->asked++] = ws;
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)opened;
    ((struct client *)user)->opened = 1;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct client *client = user;

    (void)ws;
    client->closed = 1;
    client->code = closed->error ? closed->error->code : TW_OK;
}

static tw_ws start(tw_loop loop, uint16_t port, const char *path, uint32_t flags, struct client *client)
{
    tw_events events = no_events();
    tw_client_opts options;
    tw_error error;
    char url[64];
    tw_ws ws = 0;

    memset(client, 0, sizeof *client);
    memset(&options, 0, sizeof options);
    events.on_open = on_open;
    events.on_close = on_close;
    snprintf(url, sizeof url, "ws://127.0.0.1:%d%s", port, path);
    options.size = sizeof options;
    options.url = url;
    options.flags = flags;
    options.events = &events;
    options.user = client;
    OK(tw_connect(loop, &options, &ws, &error));
    return ws;
}

/* Polls until the server was asked once more, which has to be for this path. */
static tw_ws asked(tw_loop loop, struct gate *gate, const char *path)
{
    double end = now_s() + 30 * slowness();
    int before = gate->asked;

    while (gate->asked == before) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, 100));
    }
    CHECK(strcmp(gate->target[before], path) == 0);
    return gate->ws[before];
}

int main(void)
{
    tw_loop loop = new_loop();
    tw_events none = no_events();
    tw_server_opts options;
    struct client first, detached, closed, last, other;
    struct gate gate;
    tw_server server = 0;
    tw_ws waiting, answer;
    uint16_t port;

    memset(&gate, 0, sizeof gate);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.listen = "ws://127.0.0.1:0";
    options.events = &none;
    options.on_request = on_request;
    options.user = &gate;
    OK(tw_listen(loop, &options, &server, NULL));
    OK(tw_server_port(server, &port));

    start(loop, port, "/first", TW_CLIENT_SERIALIZE_CONNECTS, &first);
    OK(tw_detach(start(loop, port, "/detached", TW_CLIENT_SERIALIZE_CONNECTS, &detached)));
    waiting = start(loop, port, "/closed", TW_CLIENT_SERIALIZE_CONNECTS, &closed);
    start(loop, port, "/last", TW_CLIENT_SERIALIZE_CONNECTS, &last);
    answer = asked(loop, &gate, "/first");
    CHECK(tw_ready_state(waiting) == 0);
    OK(tw_close(waiting, 1000, NULL));
    poll_until(loop, &closed.closed);
    CHECK(closed.code == TW_ESHUTDOWN && !closed.opened);

    /* Without the flag nobody waits, so that this one comes before those that do. */
    start(loop, port, "/other", 0, &other);
    OK(tw_accept(asked(loop, &gate, "/other"), NULL, NULL, NULL, NULL));
    poll_until(loop, &other.opened);
    CHECK(!first.opened && !last.opened);

    OK(tw_accept(answer, NULL, NULL, NULL, NULL));
    answer = asked(loop, &gate, "/last");
    CHECK(first.opened);
    OK(tw_reject(answer, 403, NULL, "no", 2));
    poll_until(loop, &last.closed);
    CHECK(last.code == TW_EHANDSHAKE);

    /* The end of the loop ends one that is on its way and one that waits. */
    start(loop, port, "/first", TW_CLIENT_SERIALIZE_CONNECTS, &first);
    start(loop, port, "/last", TW_CLIENT_SERIALIZE_CONNECTS, &last);
    asked(loop, &gate, "/first");
    OK(tw_loop_free(loop, 0));
    CHECK(first.closed && last.closed && gate.asked == 4 && !detached.opened && !detached.closed);
    return 0;
}
