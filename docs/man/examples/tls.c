/* A server of wss:// that gets another certificate while it runs. Needs ca.pem, cert.pem and key.pem. */
#include "setup.h"

static int opened;

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)user, (void)event;
    opened++;
    tw_close(ws, 1000, NULL);
}

/* example: tw_tls_new */
static tw_tls identity(const char *cert_file, const char *key_file)
{
    tw_tls_opts options = {.size = sizeof options, .cert_file = cert_file, .key_file = key_file};
    tw_error error;
    tw_tls tls = 0;

    if (tw_tls_new(&options, &tls, &error))
        fprintf(stderr, "%s\n", error.text);
    return tls;
}
/* end */

/* example: tw_server_set_tls tw_tls_free */
/* The files have changed: connections from now on get the new certificate. */
static tw_status renew(tw_server server)
{
    tw_tls tls = identity("cert.pem", "key.pem");
    tw_status status = tls ? tw_server_set_tls(server, tls) : TW_ETLS;

    tw_tls_free(tls); /* the server keeps what it uses */
    return status;
}
/* end */

/* Trusts the authority of ca.pem and no other. */
static void visit(tw_loop loop, uint16_t port)
{
    tw_events events = {.size = sizeof events, .on_open = on_open};
    tw_tls_opts trust = {.size = sizeof trust, .ca_file = "ca.pem", .flags = TW_TLS_ONLY_THESE_CAS};
    tw_client_opts options = {.size = sizeof options, .events = &events};
    int before = opened;
    char url[64];
    tw_ws ws;

    snprintf(url, sizeof url, "wss://127.0.0.1:%d/", port);
    need(tw_tls_new(&trust, &options.tls, NULL));
    options.url = url;
    need(tw_connect(loop, &options, &ws, NULL));
    need(tw_tls_free(options.tls));
    while (opened == before && tw_ready_state(ws) != 3)
        need(tw_loop_poll(loop, 1000));
    need_true(opened == before + 1, "the handshake succeeds");
}

int main(void)
{
    tw_events events = {.size = sizeof events};
    tw_server_opts options = {.size = sizeof options, .listen = "wss://127.0.0.1:0", .events = &events};
    tw_loop loop;
    tw_server server;
    uint16_t port;

    need(tw_loop_new(NULL, &loop, NULL));
    options.tls = identity("cert.pem", "key.pem");
    need(tw_listen(loop, &options, &server, NULL));
    need(tw_tls_free(options.tls));
    need(tw_server_port(server, &port));
    visit(loop, port);
    need(renew(server));
    visit(loop, port);
    need(tw_loop_free(loop, 0));
    return 0;
}
