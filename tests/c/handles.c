/* Every function with every id that is not its own: 0, nonsense, another kind's, a dead one's and a freed loop's; from
 * the loop's thread, from others and inside callbacks. Each says so, and nothing happens. */
#include <stdatomic.h>

#include "authority.h"
#include "check.h"

enum kind { LOOP, WS, SERVER, TLS, TIMER, KINDS };

static const char *const kinds[] = {"loop", "connection", "server", "TLS configuration", "timer"};

static struct ids {
    uint64_t of[KINDS];
} live, dead, freed;

static const uint64_t nonsense[] = {0, 1, 12345, UINT64_MAX, (uint64_t)1 << 63, (uint64_t)7 << 60};

static tw_loop home; /* the loop of what is alive */
static tw_events events;
static tw_buf *buffer;
static _Atomic int rows, closes, opens;

/* ---- every function, with the rest of its arguments in order --------------------------------- */

static void nothing(void *user)
{
    (void)user;
    CHECK(!"called");
}

static tw_status run(uint64_t id) { return tw_loop_run(id); }
static tw_status poll_once(uint64_t id) { return tw_loop_poll(id, 0); }
static tw_status start(uint64_t id) { return tw_loop_start(id); }
static tw_status stop(uint64_t id) { return tw_loop_stop(id); }
static tw_status free_loop(uint64_t id) { return tw_loop_free(id, 0); }
static tw_status on_ready(uint64_t id) { return tw_loop_on_ready(id, nothing, NULL); }
static tw_status post(uint64_t id) { return tw_post(id, nothing, NULL); }
static tw_status timer_start(uint64_t id) { return tw_timer_start(id, 0, 0, nothing, NULL, NULL); }
static tw_status timer_stop(uint64_t id) { return tw_timer_stop(id); }
static tw_status close_it(uint64_t id) { return tw_close(id, 1000, NULL); }
static tw_status abort_it(uint64_t id) { return tw_abort(id); }
static tw_status detach(uint64_t id) { return tw_detach(id); }
static tw_status pause_it(uint64_t id) { return tw_pause(id); }
static tw_status resume(uint64_t id) { return tw_resume(id); }
static tw_status send_it(uint64_t id) { return tw_send(id, TW_TEXT, "x", 1); }
static tw_status send_part(uint64_t id) { return tw_send(id, TW_TEXT | TW_MORE, "x", 1); }
static tw_status send_buf(uint64_t id) { return tw_send_buf(id, TW_BINARY, buffer); }
static tw_status ping(uint64_t id) { return tw_ping(id, "x", 1); }
static tw_status accept_it(uint64_t id) { return tw_accept(id, NULL, NULL, NULL, NULL); }
static tw_status accept_with(uint64_t id) { return tw_accept(id, NULL, NULL, &events, NULL); }
static tw_status reject(uint64_t id) { return tw_reject(id, 403, NULL, NULL, 0); }
static tw_status server_close(uint64_t id) { return tw_server_close(id, 0); }
static tw_status broadcast(uint64_t id) { return tw_broadcast(id, TW_TEXT, "x", 1, NULL); }
static tw_status set_tls(uint64_t id) { return tw_server_set_tls(id, live.of[TLS]); }
static tw_status tls_of_server(uint64_t id) { return tw_server_set_tls(live.of[SERVER], id); }
static tw_status tls_free(uint64_t id) { return tw_tls_free(id); }

static tw_status loop_fd(uint64_t id)
{
    intptr_t fd = -7;
    tw_status status = tw_loop_fd(id, &fd);

    CHECK(fd == -7);
    return status;
}

static tw_status server_port(uint64_t id)
{
    uint16_t port = 7;
    tw_status status = tw_server_port(id, &port);

    CHECK(port == 7);
    return status;
}

static tw_status get_str(uint64_t id)
{
    char text[8] = "before";
    size_t needed = 7;
    tw_status status = tw_get_str(id, TW_STR_URL, text, sizeof text, &needed);

    CHECK(needed == 7 && strcmp(text, "before") == 0);
    return status;
}

static tw_status get_stats(uint64_t id)
{
    tw_stats stats = {.size = sizeof stats, .messages_sent = 7};
    tw_status status = tw_get_stats(id, &stats);

    CHECK(stats.messages_sent == 7);
    return status;
}

/* The functions without a status. */
static tw_status ready_state(uint64_t id) { return tw_ready_state(id) == 3 ? TW_EHANDLE : TW_OK; }
static tw_status buffered(uint64_t id) { return tw_buffered_amount(id) == 0 ? TW_EHANDLE : TW_OK; }

static tw_status connect_with(tw_loop loop, tw_tls tls, tw_tls proxy_tls)
{
    tw_client_opts options = {.size = sizeof options, .url = "wss://127.0.0.1:1/", .events = &events, .tls = tls};
    tw_error error = {.code = 0};
    tw_ws ws = 7;
    tw_status status;

    options.proxy = proxy_tls ? "https://127.0.0.1:1" : NULL;
    options.proxy_tls = proxy_tls;
    status = tw_connect(loop, &options, &ws, &error);
    CHECK(ws == 7 && error.code == status);
    return status;
}

static tw_status listen_with(tw_loop loop, tw_tls tls)
{
    tw_server_opts options = {.size = sizeof options, .listen = "wss://127.0.0.1:0", .events = &events, .tls = tls};
    tw_error error = {.code = 0};
    tw_server server = 7;
    tw_status status = tw_listen(loop, &options, &server, &error);

    CHECK(server == 7 && error.code == status);
    return status;
}

static tw_status connect_on(uint64_t id) { return connect_with(id, live.of[TLS], 0); }
static tw_status tls_of_client(uint64_t id) { return connect_with(home, id, 0); }
static tw_status tls_of_proxy(uint64_t id) { return connect_with(home, 0, id); }
static tw_status listen_in(uint64_t id) { return listen_with(id, live.of[TLS]); }
static tw_status tls_of_new_server(uint64_t id) { return listen_with(home, id); }

static const struct row {
    const char *name;
    enum kind kind;
    tw_status (*call)(uint64_t id);
    int zero_is_none;
} table[] = {
    {"tw_loop_run", LOOP, run, 0},
    {"tw_loop_poll", LOOP, poll_once, 0},
    {"tw_loop_start", LOOP, start, 0},
    {"tw_loop_stop", LOOP, stop, 0},
    {"tw_loop_free", LOOP, free_loop, 0},
    {"tw_loop_fd", LOOP, loop_fd, 0},
    {"tw_loop_on_ready", LOOP, on_ready, 0},
    {"tw_post", LOOP, post, 0},
    {"tw_timer_start", LOOP, timer_start, 0},
    {"tw_timer_stop", TIMER, timer_stop, 0},
    {"tw_connect", LOOP, connect_on, 0},
    {"tw_connect, tls", TLS, tls_of_client, 1},
    {"tw_connect, proxy_tls", TLS, tls_of_proxy, 1},
    {"tw_listen", LOOP, listen_in, 0},
    {"tw_listen, tls", TLS, tls_of_new_server, 1},
    {"tw_server_port", SERVER, server_port, 0},
    {"tw_server_close", SERVER, server_close, 0},
    {"tw_server_set_tls", SERVER, set_tls, 0},
    {"tw_server_set_tls, tls", TLS, tls_of_server, 0},
    {"tw_broadcast", SERVER, broadcast, 0},
    {"tw_tls_free", TLS, tls_free, 0},
    {"tw_send", WS, send_it, 0},
    {"tw_send, a part", WS, send_part, 0},
    {"tw_send_buf", WS, send_buf, 0},
    {"tw_ping", WS, ping, 0},
    {"tw_close", WS, close_it, 0},
    {"tw_abort", WS, abort_it, 0},
    {"tw_detach", WS, detach, 0},
    {"tw_pause", WS, pause_it, 0},
    {"tw_resume", WS, resume, 0},
    {"tw_accept", WS, accept_it, 0},
    {"tw_accept, events", WS, accept_with, 0},
    {"tw_reject", WS, reject, 0},
    {"tw_get_str", WS, get_str, 0},
    {"tw_get_stats", WS, get_stats, 0},
    {"tw_ready_state", WS, ready_state, 0},
    {"tw_buffered_amount", WS, buffered, 0},
};

static void refuse(const struct row *row, uint64_t id, const char *what, const char *place)
{
    tw_status status;

    if (id == 0 && row->zero_is_none) {
        return;
    }
    status = row->call(id);
    rows++;
    if (status != TW_EHANDLE) {
        fprintf(stderr, "%s of %s (%#llx), %s: %d (%s)\n", row->name, what, (unsigned long long)id, place, status,
                tw_strerror(status));
        exit(1);
    }
}

static void whole_table(const char *place)
{
    const struct row *row;
    char what[64];
    size_t at;
    int kind;

    for (row = table; row < table + sizeof table / sizeof *table; row++) {
        for (at = 0; at < sizeof nonsense / sizeof *nonsense; at++) {
            refuse(row, nonsense[at], "nonsense", place);
        }
        for (kind = 0; kind < KINDS; kind++) {
            if (kind != (int)row->kind) {
                snprintf(what, sizeof what, "a live %s", kinds[kind]);
                refuse(row, live.of[kind], what, place);
            }
            snprintf(what, sizeof what, "a dead %s", kinds[kind]);
            refuse(row, dead.of[kind], what, place);
            snprintf(what, sizeof what, "a freed loop's %s", kinds[kind]);
            refuse(row, freed.of[kind], what, place);
        }
    }
}

/* ---- what is alive, what is dead -------------------------------------------------------------- */

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)user, (void)opened;
    opens++;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user, (void)closed;
    closes++;
}

static tw_tls new_tls(void)
{
    tw_tls_opts options = {.size = sizeof options, .cert_pem = first_certificate,
                           .cert_pem_len = sizeof first_certificate - 1, .key_pem = first_key,
                           .key_pem_len = sizeof first_key - 1};
    tw_tls tls = 0;

    OK(tw_tls_new(&options, &tls, NULL));
    return tls;
}

static void later(void *user)
{
    (void)user;
}

static void await(tw_loop loop, _Atomic int *value, int at_least)
{
    double end = now_s() + 30 * slowness();

    while (*value < at_least) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, 50));
    }
}

/* One of each, open and quiet. */
static struct ids make(tw_loop loop)
{
    tw_events both = no_events();
    struct ids made;
    tw_timer timer;
    uint16_t port;
    int before = opens;

    both.on_open = on_open;
    both.on_close = on_close;
    made.of[LOOP] = loop;
    made.of[TLS] = new_tls();
    made.of[SERVER] = listen_on(loop, &both, NULL, &port);
    made.of[WS] = connect_to(loop, port, &both, NULL);
    OK(tw_timer_start(loop, 600000, 0, later, NULL, &timer));
    made.of[TIMER] = timer;
    await(loop, &opens, before + 2);
    return made;
}

static void set_up(void)
{
    tw_loop gone = new_loop();

    events = no_events();
    buffer = tw_buf_new(8);
    CHECK(buffer != NULL);
    freed = make(gone);
    OK(tw_loop_free(gone, 0));
    OK(tw_tls_free(freed.of[TLS]));
    home = new_loop();
    dead = make(home);
    dead.of[LOOP] = gone;
    OK(tw_close(dead.of[WS], 1000, NULL));
    await(home, &closes, 4);
    OK(tw_server_close(dead.of[SERVER], 0));
    OK(tw_timer_stop(dead.of[TIMER]));
    OK(tw_tls_free(dead.of[TLS]));
    live = make(home);
    /* It is the one that tw_server_set_tls needs. */
    OK(tw_server_close(live.of[SERVER], 0));
    {
        tw_server_opts options = {.size = sizeof options, .listen = "wss://127.0.0.1:0", .events = &events,
                                  .tls = live.of[TLS]};
        tw_server server;

        OK(tw_listen(home, &options, &server, NULL));
        live.of[SERVER] = server;
    }
}

/* ---- where ------------------------------------------------------------------------------------ */

static _Atomic int done;

static void inside(void *user)
{
    whole_table(user);
    done = 1;
}

static void *in_a_thread(void *user)
{
    whole_table(user);
    done = 1;
    return NULL;
}

static void in_another_thread(const char *place, int driven)
{
    pthread_t thread;

    done = 0;
    CHECK(pthread_create(&thread, NULL, in_a_thread, (void *)(uintptr_t)place) == 0);
    while (driven && !done) {
        OK(tw_loop_poll(home, 10));
    }
    CHECK(pthread_join(thread, NULL) == 0);
}

static void nothing_happened(void)
{
    uint16_t port;

    CHECK(tw_ready_state(live.of[WS]) == 1 && tw_buffered_amount(live.of[WS]) == 0);
    OK(tw_server_port(live.of[SERVER], &port));
    OK(tw_timer_stop(live.of[TIMER]));
    OK(tw_tls_free(live.of[TLS]));
    CHECK(closes == 4);
    OK(tw_loop_free(home, 0));
    CHECK(closes == 6);
}

int main(void)
{
    tw_loop other = new_loop();
    int at;

    set_up();
    whole_table("on the thread that drives the loop");
    in_another_thread("on another thread", 0);
    in_another_thread("on another thread, while the loop is driven", 1);
    for (at = 0; at < 2; at++) {
        done = 0;
        OK(tw_post(at ? other : home, inside, (void *)(uintptr_t)(at ? "in another loop's callback" : "in a callback")));
        await(at ? other : home, &done, 1);
    }
    OK(tw_loop_free(other, 0));
    nothing_happened();
    /* Each row: nonsense, the other kinds alive, all kinds dead in two ways. */
    CHECK(rows >= (int)(5 * sizeof table / sizeof *table * (6 - 1 + KINDS - 1 + 2 * KINDS)));
    tw_buf_unref(buffer);
    printf("%d calls refused\n", rows);
    return 0;
}
