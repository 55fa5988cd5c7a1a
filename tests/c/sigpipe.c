/* A host with the default SIGPIPE survives peers that reset their connection while it sends a lot, over
 * ws and wss. The loop is driven on the main thread, which blocks no signal. */
#include "check.h"
#include "identity.h"

#define BLOCK ((size_t)1 << 20)

static int peers = 500; /* of each kind */
static volatile int finished, quit;
static tw_ws open_ws[64];
static char *block;

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    size_t i;

    (void)user, (void)event;
    for (i = 0; i < sizeof open_ws / sizeof *open_ws && open_ws[i]; i++) {
    }
    if (i < sizeof open_ws / sizeof *open_ws) {
        open_ws[i] = ws;
    }
    tw_ping(ws, "go", 2);
    tw_send(ws, TW_BINARY, block, BLOCK);
    tw_send(ws, TW_BINARY, block, BLOCK);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    size_t i;

    (void)user;
    CHECK(!event->clean && event->code == 1006);
    for (i = 0; i < sizeof open_ws / sizeof *open_ws; i++) {
        if (open_ws[i] == ws) {
            open_ws[i] = 0;
        }
    }
    finished++;
}

/* Closing with unread data and without lingering resets. */
static void *plain_peers(void *user)
{
    uint16_t port = *(uint16_t *)user;
    int i;

    for (i = 0; i < peers; i++) {
        struct linger at_once = {1, 0};
        char some[512];
        int fd = dial(port);

        upgrade(fd);
        CHECK(recv(fd, some, sizeof some, 0) > 0);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fd);
    }
    return NULL;
}

static void give_up(tw_ws ws, void *user, const tw_msg *ping)
{
    (void)user, (void)ping;
    tw_abort(ws);
}

static volatile int given_up;

static void gone(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user, (void)event;
    given_up++;
}

static void *secure_peers(void *user)
{
    tw_events events = no_events();
    tw_client_opts options = {.size = sizeof options};
    tw_tls_opts trust = {.size = sizeof trust};
    tw_loop loop = new_loop();
    char url[64];
    int i;

    snprintf(url, sizeof url, "wss://127.0.0.1:%d/", *(uint16_t *)user);
    trust.flags = TW_TLS_DANGER_NO_VERIFY | TW_TLS_ONLY_THESE_CAS;
    OK(tw_tls_new(&trust, &options.tls, NULL));
    events.on_ping = give_up;
    events.on_close = gone;
    options.url = url;
    options.events = &events;
    for (i = 0; i < peers; i++) {
        tw_ws ws;

        OK(tw_connect(loop, &options, &ws, NULL));
        while (given_up <= i) {
            OK(tw_loop_poll(loop, 1000));
        }
    }
    OK(tw_loop_free(loop, 0));
    OK(tw_tls_free(options.tls));
    return NULL;
}

static void listen_at(tw_loop loop, const char *address, tw_tls tls, uint16_t *port)
{
    tw_events events = no_events();
    tw_server_opts options = {.size = sizeof options};
    tw_server server;

    events.on_open = on_open;
    events.on_close = on_close;
    options.listen = address;
    options.tls = tls;
    options.events = &events;
    OK(tw_listen(loop, &options, &server, NULL));
    OK(tw_server_port(server, port));
}

int main(void)
{
    tw_tls_opts identity = {.size = sizeof identity};
    tw_loop loop = new_loop();
    tw_tls tls;
    uint16_t ports[2];
    pthread_t threads[2];
    double end = now_s() + 100;

    if (slowness() > 1) {
        peers = 30;
    }
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    block = calloc(1, BLOCK);
    identity.cert_pem = test_certificate;
    identity.cert_pem_len = sizeof test_certificate - 1;
    identity.key_pem = test_key;
    identity.key_pem_len = sizeof test_key - 1;
    OK(tw_tls_new(&identity, &tls, NULL));
    listen_at(loop, "ws://127.0.0.1:0", 0, &ports[0]);
    listen_at(loop, "wss://127.0.0.1:0", tls, &ports[1]);
    OK(tw_tls_free(tls));
    CHECK(pthread_create(&threads[0], NULL, plain_peers, &ports[0]) == 0);
    CHECK(pthread_create(&threads[1], NULL, secure_peers, &ports[1]) == 0);
    while (finished < 2 * peers) {
        size_t i;

        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, 100));
        /* Into sockets that may be reset by now. */
        for (i = 0; i < sizeof open_ws / sizeof *open_ws; i++) {
            if (open_ws[i]) {
                tw_send(open_ws[i], TW_BINARY, block, 100000);
            }
        }
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    OK(tw_loop_free(loop, 0));
    free(block);
    printf("ok: %d peers\n", finished);
    return 0;
}
