/* A server that looks at each request before it answers. */
#include "setup.h"

static int accepted, refused;

/* example: tw_header tw_header_count tw_header_at */
static int is_allowed(const tw_request *request)
{
    const char *token = tw_header(request->headers, "Authorization", NULL);
    tw_str name, value;
    size_t index;

    for (index = 0; index < tw_header_count(request->headers); index++)
        if (tw_header_at(request->headers, index, &name, &value) == TW_OK)
            printf("%s: %s\n", name.ptr, value.ptr);
    return token != NULL && strcmp(token, "Bearer sesame") == 0;
}
/* end */

/* example: tw_accept tw_reject */
static void on_request(tw_server server, void *user, tw_ws ws, const tw_request *request)
{
    static const char *const ask[] = {"WWW-Authenticate: Bearer", NULL};

    (void)server, (void)user;
    if (is_allowed(request))
        tw_accept(ws, NULL, NULL, NULL, NULL);
    else
        tw_reject(ws, 401, ask, "who are you?\n", 13);
}
/* end */

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    accepted++;
    tw_close(ws, 1000, NULL);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws;
    refused += closed->http_status == 401;
    ++*(int *)user;
}

static void ask(tw_loop loop, const char *url, const char *secret, int *closes)
{
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_close = on_close};
    tw_client_opts options = {.size = sizeof options, .url = url, .events = &events, .user = closes};
    tw_ws ws;

    options.auth = TW_AUTH_BEARER;
    options.auth_secret = secret;
    need(tw_connect(loop, &options, &ws, NULL));
}

int main(void)
{
    tw_events events = {.size = sizeof events};
    tw_server_opts options = {.size = sizeof options, .listen = "127.0.0.1:0", .events = &events};
    tw_loop loop;
    tw_server server;
    uint16_t port;
    char url[64];
    int closes = 0;

    options.on_request = on_request;
    need(tw_loop_new(NULL, &loop, NULL));
    need(tw_listen(loop, &options, &server, NULL));
    need(tw_server_port(server, &port));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    ask(loop, url, "sesame", &closes);
    ask(loop, url, "guess", &closes);
    while (closes < 2)
        need(tw_loop_poll(loop, 1000));
    need(tw_loop_free(loop, 0));
    return accepted == 1 && refused == 1 ? 0 : 1;
}
