/* A client that comes back, what it is told of its losses, and how long a ping takes. */
#include "check.h"

struct server {
    int connections;
};

struct client {
    int opened, lost, closed, http_status, spent;
    uint32_t reconnects;
    size_t attempts;
    char address[64], phase[16], text[256];
    uint64_t latency_ns;
    tw_ws ws;
};

static void on_accepted(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)opened;
    /* The first two are cut off without a word. */
    if (++((struct server *)user)->connections <= 2) {
        tw_abort(ws);
    }
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct client *client = user;

    CHECK(ws == client->ws || client->ws == 0);
    client->ws = ws;
    client->opened++;
    client->reconnects = opened->reconnects;
    if (opened->reconnects == 2) {
        OK(tw_ping(ws, "how long?", 9));
    }
}

static void on_pong(tw_ws ws, void *user, const tw_msg *pong)
{
    struct client *client = user;
    tw_stats stats;

    CHECK(pong->len == 9);
    stats.size = sizeof stats;
    OK(tw_get_stats(ws, &stats));
    client->latency_ns = stats.latency_ns;
    OK(tw_close(ws, 1000, NULL));
}

static void copy(char *to, size_t room, tw_str from)
{
    CHECK(from.ptr != NULL && from.ptr[from.len] == 0);
    snprintf(to, room, "%s", from.ptr);
}

static int64_t on_reconnect(tw_ws ws, void *user, const tw_reconnect_ev *event)
{
    struct client *client = user;

    client->lost++;
    CHECK(tw_ready_state(ws) == 0);
    CHECK_STATUS(TW_ESTATE, tw_send(ws, TW_TEXT, "too early", 9));
    CHECK(event->lost->code == 1006 && !event->lost->clean && event->lost->error != NULL);
    CHECK(event->attempt >= 1);
    client->attempts = event->lost->attempts_len;
    if (client->attempts) {
        copy(client->address, sizeof client->address, event->lost->attempts[0].address);
        CHECK(event->lost->attempts[0].sys == ECONNREFUSED);
    }
    copy(client->phase, sizeof client->phase, event->lost->phase);
    copy(client->text, sizeof client->text, event->lost->error_text);
    CHECK(strcmp(client->text, event->lost->error->text) == 0);
    return client->spent && event->wait_ms >= 0 ? -1 : event->wait_ms;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct client *client = user;

    CHECK(ws == client->ws || client->ws == 0);
    client->http_status = closed->http_status;
    client->closed = closed->clean ? closed->code : -1;
}

static struct client run(tw_loop loop, const char *url, const tw_reconnect_opts *policy, int spent)
{
    struct client client;
    tw_client_opts options;
    tw_events events = no_events();
    tw_error error;

    memset(&client, 0, sizeof client);
    client.spent = spent;
    events.on_open = on_open;
    events.on_pong = on_pong;
    events.on_reconnect = on_reconnect;
    events.on_close = on_close;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.url = url;
    options.events = &events;
    options.user = &client;
    options.reconnect = policy;
    OK(tw_connect(loop, &options, &client.ws, &error));
    poll_until(loop, &client.closed);
    CHECK_STATUS(TW_EHANDLE, tw_ping(client.ws, NULL, 0));
    return client;
}

int main(void)
{
    tw_loop loop = new_loop();
    tw_events events = no_events();
    struct server server;
    struct client client;
    tw_reconnect_opts policy;
    tw_server listener;
    tw_client_opts options;
    tw_error error;
    uint16_t port;
    char url[64];
    tw_ws ws;

    memset(&server, 0, sizeof server);
    events.on_open = on_accepted;
    listener = listen_on(loop, &events, &server, &port);
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    memset(&policy, 0, sizeof policy);
    policy.size = sizeof policy;
    policy.initial_ms = 1;

    client = run(loop, url, &policy, 0);
    CHECK(client.closed == 1000 && client.opened == 3 && client.lost == 2 && client.reconnects == 2);
    CHECK(client.latency_ns > 0);
    CHECK(strcmp(client.phase, "tcp") == 0);

    OK(tw_server_close(listener, 0));
    OK(tw_loop_poll(loop, 0));
    policy.max_attempts = 2;
    client = run(loop, url, &policy, 0);
    CHECK(client.closed == -1 && client.opened == 0 && client.lost == 3 && client.attempts == 1);
    snprintf(url, sizeof url, "127.0.0.1:%d", port);
    CHECK(strcmp(client.address, url) == 0);

    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    client = run(loop, url, &policy, 1);
    CHECK(client.closed == -1 && client.lost == 1);

    events = no_events();
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.url = url;
    options.events = &events;
    policy.max_ms = 1;
    policy.initial_ms = 2;
    options.reconnect = &policy;
    CHECK_STATUS(TW_EINVAL, tw_connect(loop, &options, &ws, &error));
    CHECK(strstr(error.text, "reconnect: max is less than initial") != NULL);
    options.reconnect = NULL;
    options.auth = 9;
    CHECK_STATUS(TW_EINVAL, tw_connect(loop, &options, &ws, &error));
    options.auth = TW_AUTH_BASIC;
    options.auth_user = "a:b";
    options.auth_secret = "hush";
    CHECK_STATUS(TW_EINVAL, tw_connect(loop, &options, &ws, &error));
    CHECK(strstr(error.text, "auth: ") != NULL && strstr(error.text, "hush") == NULL);
    OK(tw_loop_free(loop, 0));
    return 0;
}
