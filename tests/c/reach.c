/* Reaching a server from C: given descriptors, local addresses, proxies, and bad arguments. */
#include "check.h"

struct end {
    int opened, closed;
    tw_error error;
    char text[16], remote[64], local[64];
};

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)opened;
    ((struct end *)user)->opened = 1;
    OK(tw_get_str(ws, TW_STR_LOCAL, ((struct end *)user)->local, sizeof ((struct end *)user)->local, NULL));
    tw_send(ws, TW_TEXT, "hello", 5);
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    CHECK(message->len < sizeof((struct end *)user)->text);
    memcpy(((struct end *)user)->text, message->data, message->len);
    tw_close(ws, 1000, NULL);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct end *end = user;

    (void)ws;
    end->closed = 1;
    if (closed->error) {
        end->error = *closed->error;
    }
}

static void on_server_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct end *end = user;

    (void)ws;
    CHECK(opened->remote.len < sizeof end->remote);
    memcpy(end->remote, opened->remote.ptr, opened->remote.len + 1);
}

static struct end run(tw_loop loop, tw_client_opts *options)
{
    struct end end;
    tw_events events = no_events();
    tw_error error;
    tw_ws ws;

    memset(&end, 0, sizeof end);
    events.on_open = on_open;
    events.on_message = on_message;
    events.on_close = on_close;
    options->size = sizeof *options;
    options->events = &events;
    options->user = &end;
    OK(tw_connect(loop, options, &ws, &error));
    poll_until(loop, &end.closed);
    return end;
}

static void refused(tw_loop loop, tw_client_opts *options, const char *text)
{
    tw_events events = no_events();
    tw_error error;
    tw_ws ws;

    options->size = sizeof *options;
    options->url = "ws://127.0.0.1:1/";
    options->events = &events;
    CHECK_STATUS(TW_EINVAL, tw_connect(loop, options, &ws, &error));
    CHECK(strstr(error.text, text) != NULL);
    CHECK(strstr(error.text, "secret") == NULL);
}

static void ways(tw_loop loop, uint16_t port, const struct end *accepted)
{
    tw_client_opts options;
    struct end end;
    char url[64];
    int fd = dial(port);

    memset(&options, 0, sizeof options);
    options.url = "ws://127.0.0.1:1/";
    options.flags = TW_CLIENT_FD;
    options.fd = fd;
    CHECK(strcmp(run(loop, &options).text, "hello") == 0);
    CHECK(close(fd) == 0);

    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    memset(&options, 0, sizeof options);
    options.url = url;
    options.bind_address = "127.0.0.5";
    options.tcp_keepalive_ms = 60000;
    end = run(loop, &options);
    CHECK(strcmp(end.text, "hello") == 0);
    CHECK(strncmp(end.local, "127.0.0.5:", 10) == 0 && strcmp(end.local, accepted->remote) == 0);

    memset(&options, 0, sizeof options);
    options.url = "ws+unix:/nobody/is/here.sock:/";
    end = run(loop, &options);
    CHECK(end.error.code == TW_ECONNECT && strstr(end.error.text, "here.sock") != NULL);

    memset(&options, 0, sizeof options);
    options.url = "ws://127.0.0.1:25/";
    options.flags = TW_CLIENT_BLOCK_BAD_PORTS;
    end = run(loop, &options);
    CHECK(end.error.code == TW_ECONNECT && !end.opened);
    CHECK(strcmp(end.error.text, "tcp: port 25 is blocked, as in browsers (option: block_bad_ports)") == 0);

    /* A WebSocket server is no proxy: it answers CONNECT with an error of HTTP. */
    snprintf(url, sizeof url, "http://me:secret@127.0.0.1:%d", port);
    memset(&options, 0, sizeof options);
    options.url = "ws://example.com/";
    options.proxy = url;
    end = run(loop, &options);
    CHECK(end.error.code == TW_EPROXY);
    CHECK(strncmp(end.error.text, "proxy: the proxy answered 4", 27) == 0);
    CHECK(strstr(end.error.text, "secret") == NULL);
}

static void refusals(tw_loop loop)
{
    tw_client_opts options;

    memset(&options, 0, sizeof options);
    options.proxy = "ftp://secret@p";
    refused(loop, &options, "proxy: unknown scheme");
    memset(&options, 0, sizeof options);
    options.bind_address = "localhost";
    refused(loop, &options, "bind_address");
    memset(&options, 0, sizeof options);
    options.flags = TW_CLIENT_FD;
    options.fd = -1;
    refused(loop, &options, "fd");
    memset(&options, 0, sizeof options);
    options.flags = 0x80;
    refused(loop, &options, "flag");
}

int main(void)
{
    tw_loop loop = new_loop();
    tw_events events = no_events();
    struct end accepted;
    uint16_t port;

    memset(&accepted, 0, sizeof accepted);
    events.on_open = on_server_open;
    events.on_message = echo;
    listen_on(loop, &events, &accepted, &port);
    ways(loop, port, &accepted);
    refusals(loop);
    OK(tw_loop_free(loop, 0));
    return 0;
}
