/* on_request with tw_accept and tw_reject: there, later, from another thread, and not at all. */
#include "check.h"

struct asked {
    tw_loop loop;
    tw_server server;
    tw_ws ws;
    int requests, opens, own_opens, closes;
    char protocol[32];
    char header[32];
    void (*decide)(struct asked *asked);
};

struct client {
    int opens, closes, status;
    char protocol[32];
    char body[64];
};

static void own_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)opened;
    ++*(int *)user;
}

static void server_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct asked *asked = user;

    CHECK(ws == asked->ws);
    asked->opens++;
    snprintf(asked->protocol, sizeof asked->protocol, "%s", opened->protocol.ptr);
}

static void server_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct asked *asked = user;

    (void)closed;
    CHECK(ws == asked->ws);
    asked->closes++;
}

static void on_request(tw_server server, void *user, tw_ws ws, const tw_request *request)
{
    struct asked *asked = user;
    tw_str name, value;
    size_t index, seen = 0;

    CHECK(server == asked->server);
    CHECK(strcmp(request->method.ptr, "GET") == 0 && strcmp(request->target.ptr, "/x?y") == 0);
    CHECK(strncmp(request->host.ptr, "127.0.0.1:", 10) == 0 && request->origin.len == 0);
    CHECK(strncmp(request->remote.ptr, "127.0.0.1:", 10) == 0);
    CHECK(request->protocols_len == 2 && strcmp(request->protocols[1].ptr, "soap") == 0);
    for (index = 0; index < tw_header_count(request->headers); index++) {
        OK(tw_header_at(request->headers, index, &name, &value));
        seen += strcmp(name.ptr, "x-token") == 0 && strcmp(value.ptr, "abc") == 0;
        seen += strcmp(name.ptr, "X-Token") == 0 && strcmp(value.ptr, "abc") == 0;
    }
    CHECK(seen == 1);
    CHECK_STATUS(TW_EINVAL, tw_header_at(request->headers, index, &name, &value));
    CHECK(tw_ready_state(ws) == 0);
    asked->ws = ws;
    asked->requests++;
    if (asked->decide) {
        asked->decide(asked);
    }
}

static void client_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct client *client = user;
    const char *granted = tw_header(opened->headers, "X-Granted", NULL);

    (void)ws;
    client->opens++;
    snprintf(client->protocol, sizeof client->protocol, "%s", opened->protocol.ptr);
    snprintf(client->body, sizeof client->body, "%s", granted ? granted : "");
}

static void client_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct client *client = user;

    (void)ws;
    client->closes++;
    client->status = closed->http_status;
    if (closed->http_status) {
        snprintf(client->body, sizeof client->body, "%.*s", (int)closed->http_body_len,
                 (const char *)closed->http_body);
    }
}

static void accept_here(struct asked *asked)
{
    static const char *const fields[] = {"X-Granted: yes", NULL};
    static const char *const bad[] = {"X-Granted: y\r\nes", NULL};

    CHECK_STATUS(TW_EINVAL, tw_accept(asked->ws, "unheard-of", NULL, NULL, NULL));
    CHECK_STATUS(TW_EINVAL, tw_accept(asked->ws, NULL, bad, NULL, NULL));
    OK(tw_accept(asked->ws, "soap", fields, NULL, NULL));
    CHECK_STATUS(TW_ESTATE, tw_accept(asked->ws, "soap", fields, NULL, NULL));
    CHECK_STATUS(TW_ESTATE, tw_reject(asked->ws, 403, NULL, NULL, 0));
}

static void reject_here(struct asked *asked)
{
    CHECK_STATUS(TW_EINVAL, tw_reject(asked->ws, 200, NULL, NULL, 0));
    CHECK_STATUS(TW_EUTF8, tw_reject(asked->ws, 403, NULL, "\xff", 1));
    OK(tw_reject(asked->ws, 403, NULL, "not you", 7));
}

static void close_here(struct asked *asked)
{
    OK(tw_close(asked->ws, 0, NULL));
}

static void *drive(void *user)
{
    OK(tw_loop_run(*(tw_loop *)user));
    return NULL;
}

static tw_ws ask(tw_loop loop, uint16_t port, struct client *client)
{
    static const char *const protocols[] = {"wamp", "soap", NULL}, *const headers[] = {"X-Token: abc", NULL};
    tw_client_opts options;
    tw_tuning tuning;
    tw_events events = no_events();
    char url[64];
    tw_ws ws;

    snprintf(url, sizeof url, "ws://127.0.0.1:%d/x?y", port);
    memset(client, 0, sizeof *client);
    memset(&options, 0, sizeof options);
    memset(&tuning, 0, sizeof tuning);
    tuning.size = sizeof tuning;
    tuning.open_timeout_ms = 60000;
    options.tuning = &tuning;
    events.on_open = client_open;
    events.on_close = client_close;
    options.size = sizeof options;
    options.url = url;
    options.protocols = protocols;
    options.headers = headers;
    options.events = &events;
    options.user = client;
    OK(tw_connect(loop, &options, &ws, NULL));
    return ws;
}

static void here(tw_loop loop, uint16_t port, struct asked *asked)
{
    struct client client;
    tw_ws ws;

    asked->decide = accept_here;
    ws = ask(loop, port, &client);
    poll_until(loop, &client.opens);
    CHECK(strcmp(client.protocol, "soap") == 0 && strcmp(client.body, "yes") == 0);
    CHECK(asked->opens == 1 && strcmp(asked->protocol, "soap") == 0);
    CHECK_STATUS(TW_ESTATE, tw_accept(asked->ws, NULL, NULL, NULL, NULL));
    OK(tw_close(ws, 1000, NULL));
    poll_until(loop, &asked->closes);
    CHECK_STATUS(TW_EHANDLE, tw_accept(asked->ws, NULL, NULL, NULL, NULL));

    asked->decide = reject_here;
    asked->closes = 0;
    ask(loop, port, &client);
    poll_until(loop, &client.closes);
    CHECK(client.status == 403 && strcmp(client.body, "not you") == 0 && client.opens == 0);
    poll_until(loop, &asked->closes);

    asked->decide = close_here;
    asked->closes = 0;
    ask(loop, port, &client);
    poll_until(loop, &client.closes);
    CHECK(client.status == 503);
    poll_until(loop, &asked->closes);
    CHECK(asked->opens == 1);
}

static void later(tw_loop loop, uint16_t port, struct asked *asked)
{
    struct client client;
    tw_events own = no_events();
    pthread_t thread;
    int own_opens = 0;
    tw_ws ws;

    asked->decide = NULL;
    asked->requests = asked->closes = 0;
    ws = ask(loop, port, &client);
    poll_until(loop, &asked->requests);
    CHECK(client.opens == 0 && tw_ready_state(asked->ws) == 0);
    CHECK_STATUS(TW_ESTATE, tw_send(asked->ws, TW_TEXT, "x", 1));
    own.on_open = own_open;
    CHECK(pthread_create(&thread, NULL, drive, &loop) == 0);
    OK(tw_accept(asked->ws, NULL, NULL, &own, &own_opens));
    while (*(volatile int *)&own_opens == 0 || *(volatile int *)&client.opens == 0) {
        sched_yield();
    }
    OK(tw_loop_stop(loop));
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(strcmp(client.protocol, "wamp") == 0 && asked->opens == 1);
    OK(tw_close(ws, 1000, NULL));
    poll_until(loop, &client.closes);
    CHECK(asked->closes == 0);

    /* The client leaves before it is answered. */
    asked->requests = 0;
    ws = ask(loop, port, &client);
    poll_until(loop, &asked->requests);
    OK(tw_abort(ws));
    poll_until(loop, &asked->closes);
    CHECK_STATUS(TW_EHANDLE, tw_accept(asked->ws, NULL, NULL, NULL, NULL));
}

/* Nobody answers within open_timeout_ms; then the server closes and takes those that wait with it. */
static void never(tw_loop loop, uint16_t port, struct asked *asked)
{
    struct client client;

    asked->closes = 0;
    ask(loop, port, &client);
    poll_until(loop, &client.closes);
    CHECK(client.status == 503);
    poll_until(loop, &asked->closes);
    asked->closes = asked->requests = 0;
    ask(loop, port, &client);
    poll_until(loop, &asked->requests);
    OK(tw_server_close(asked->server, 1000));
    CHECK_STATUS(TW_EHANDLE, tw_server_close(asked->server, 1000));
    poll_until(loop, &client.closes);
    CHECK(client.status == 503);
    poll_until(loop, &asked->closes);
}

int main(void)
{
    static const char *const protocols[] = {"wamp", NULL};
    tw_server_opts options;
    tw_tuning tuning;
    tw_events events = no_events();
    struct asked asked;
    uint16_t port;

    memset(&asked, 0, sizeof asked);
    memset(&options, 0, sizeof options);
    memset(&tuning, 0, sizeof tuning);
    asked.loop = new_loop();
    events.on_open = server_open;
    events.on_close = server_close;
    tuning.size = sizeof tuning;
    tuning.open_timeout_ms = (uint32_t)(300 * slowness());
    options.size = sizeof options;
    options.listen = "ws://127.0.0.1:0";
    options.events = &events;
    options.user = &asked;
    options.tuning = &tuning;
    options.protocols = protocols;
    options.on_request = on_request;
    OK(tw_listen(asked.loop, &options, &asked.server, NULL));
    OK(tw_server_port(asked.server, &port));
    here(asked.loop, port, &asked);
    later(asked.loop, port, &asked);
    never(asked.loop, port, &asked);
    OK(tw_loop_free(asked.loop, 0));
    return 0;
}
