/* Random calls of the whole C API from three threads and from callbacks, with ids that are alive, dead, of another
 * kind, of another loop, made up and 0, and with arguments that are right, wrong and missing. Each call has to give a
 * status that the header documents for it; nothing may crash, hang or leak; and each connection has to end with one
 * on_close or tw_detach.
 *
 * fuzz [SEED] [SECONDS]; or CHECK_SEED and CHECK_SECONDS. The same seed makes the same choices, not the same
 * interleaving. */
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "check.h"
#include "identity.h"

#define THREADS 3
#define LOOPS 3
#define POOL 64
#define ROOM 1024
#define MOST_CONNECTIONS 150

enum { A_LOOP, A_WS, A_SERVER, A_TIMER, A_TLS, KINDS };

/* A place for loops, one after the other. `user` of all that belongs to them. */
struct place {
    _Atomic uint64_t loop;
    _Atomic int mode, unending;
};

/* One for each loop that is fuzzed, and one for what is made with an id that is no place's. */
static struct place places[LOOPS + 1];
static _Atomic uint64_t pools[KINDS][POOL];
static _Atomic unsigned pooled[KINDS];
static _Atomic int over;
static _Atomic int ports[4];
static _Atomic unsigned long calls, begun, opened, closed, detached, heard, lines, pokes;
static _Atomic uint64_t streams;
static uint64_t seed;
static const char *_Atomic doing[THREADS];
static _Thread_local uint64_t state;
static _Thread_local int number = -1;
static unsigned char filler[70000];

/* xorshift64*, a stream for each thread, the library's too. */
static uint64_t draw(void)
{
    if (state == 0) {
        state = (seed + 1) * 0x9E3779B97F4A7C15u + (++streams) * 0xBF58476D1CE4E5B9u;
        state |= 1;
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545F4914F6CDD1Du;
}

static unsigned below(unsigned limit)
{
    return (unsigned)(draw() >> 33) % limit;
}

static int one_in(unsigned count)
{
    return below(count) == 0;
}

static void keep(int kind, uint64_t id)
{
    pools[kind][pooled[kind]++ % POOL] = id;
}

static uint64_t pooled_id(int kind)
{
    unsigned have = pooled[kind];

    return have ? pools[kind][below(have < POOL ? have : POOL)] : 0;
}

/* Mostly one of that kind, alive or dead, of whatever loop. */
static uint64_t any_id(int kind)
{
    switch (below(24)) {
    case 0: return 0;
    case 1: return draw();
    case 2: return pooled_id((int)below(KINDS));
    case 3: return pooled_id(kind) ^ (uint64_t)1 << below(64);
    default: return pooled_id(kind);
    }
}

/* One that names nothing that could be waited for. */
static uint64_t no_id(int kind)
{
    return one_in(2) ? 0 : (uint64_t)(kind + 1) << 60 | 0x3FFu << 20;
}

#define BIT(status) ((uint32_t)1 << (status))
#define ALIVE (BIT(TW_OK) | BIT(TW_EHANDLE))

/* `status` is one of those that the header has for the function. */
static tw_status judge(const char *function, tw_status status, uint32_t documented)
{
    calls++;
    if (status < 0 || status > 31 || !(documented >> status & 1)) {
        fprintf(stderr, "seed %llu: %s gave %d (%s), which is not documented\n", (unsigned long long)seed, function,
                status, tw_strerror(status));
        abort();
    }
    return status;
}

#define CALL(documented, function, ...) \
    (number >= 0 ? (void)(doing[number] = #function) : (void)0, judge(#function, function(__VA_ARGS__), (documented)))

/* ---- arguments ----------------------------------------------------------------------------- */

/* The structure as a caller of some version has it: its size is mostly right. */
static void *sized(void *room, const void *from, size_t right)
{
    size_t size = right;

    memset(room, 0, ROOM);
    memcpy(room, from, right);
    switch (below(48)) {
    case 0: size = 0; break;
    case 1: size = below(8); break;
    case 2: size = below((unsigned)right / 8) * 8; break;
    case 3: size = right + 8 * below(8); break;
    case 4: size = right + 64, ((unsigned char *)room)[right + below(64)] = 1; break;
    case 5: size = (size_t)draw() | ROOM << 3; break;
    default: break;
    }
    memcpy(room, &size, sizeof size);
    return one_in(64) ? NULL : room;
}

static const void *some_data(size_t *len)
{
    static const size_t lengths[] = {0, 1, 5, 100, 125, 126, 127, 4096, sizeof filler};
    const void *from = filler;

    *len = lengths[below(9)];
    if (*len && one_in(2)) {
        *len = below((unsigned)*len) + 1;
    }
    if (one_in(40)) {
        from = NULL;
    } else if (one_in(20)) {
        from = "\xff\xfe not text", *len = 8;
    }
    return from;
}

static uint32_t some_flags(void)
{
    static const uint32_t good[] = {TW_TEXT, TW_BINARY, TW_TEXT, TW_BINARY, TW_TEXT | TW_DEFLATE, TW_BINARY | TW_NODEFLATE,
                                    TW_TEXT | TW_MORE, TW_MORE, 0, 0};

    return one_in(20) ? (uint32_t)draw() & 127 : good[below(10)];
}

static const char *some_text(void)
{
    static const char *const texts[] = {"", "chat", "X-Fuzz: yes", "X-Fuzz: a\r\nb: c", "no colon", "gr\xc3\xbc\xc3\x9f", "\xff", "a b",
                                        "Host: elsewhere", "0123456789012345678901234567890123456789012345678901234567890123456789012345"
                                        "67890123456789012345678901234567890123456789012345678901"};

    return texts[below(10)];
}

static const char *const *some_list(const char *room[4])
{
    room[0] = some_text(), room[1] = one_in(2) ? some_text() : NULL, room[2] = NULL;
    return one_in(2) ? NULL : room;
}

static int some_code(void)
{
    static const int codes[] = {0, 1000, 1001, 1005, 1006, 3000, 4999, 5000, -1};

    return one_in(8) ? (int)draw() : codes[below(9)];
}

static tw_tuning *some_tuning(void *room)
{
    tw_tuning tuning;

    memset(&tuning, 0, sizeof tuning);
    tuning.max_buffered = 1 + below(300000);
    if (one_in(2)) {
        tuning.high_water = below(100000);
        tuning.max_message = one_in(3) ? below(70000) : 0;
        tuning.deflate = below(6);
        tuning.deflate_level = below(11);
        tuning.deflate_window_bits = one_in(3) ? 8 + below(9) : 0;
        tuning.deflate_threshold = below(200);
        tuning.open_timeout_ms = 50 + below(2000);
        tuning.close_timeout_ms = 1 + below(100);
        tuning.linger_ms = 1 + below(100);
        tuning.ping_interval_ms = one_in(4) ? 1 + below(50) : 0;
        tuning.max_head = one_in(8) ? below(500) : 0;
        tuning.flags = one_in(30) ? (uint32_t)draw() : 0;
    }
    return one_in(10) ? NULL : sized(room, &tuning, sizeof tuning);
}

/* ---- callbacks ----------------------------------------------------------------------------- */

static void quick(tw_ws ws);
static void inside(struct place *here, tw_ws ws);

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    tw_str name, value;
    size_t len;

    opened++;
    CHECK(event->url.ptr[event->url.len] == 0);
    tw_header(event->headers, one_in(8) ? NULL : "upgrade", &len);
    judge("tw_header_at", tw_header_at(event->headers, below(12), &name, one_in(8) ? NULL : &value), BIT(TW_OK) | BIT(TW_EINVAL));
    inside(user, ws);
}

static void on_served_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    begun++;
    keep(A_WS, ws);
    on_open(ws, user, event);
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    heard++;
    CHECK(message->data != NULL);
    if (one_in(4)) {
        tw_buf_unref(tw_buf_keep(one_in(9) ? NULL : message));
    }
    inside(user, ws);
}

static void on_drain(tw_ws ws, void *user, uint64_t buffered)
{
    (void)buffered;
    inside(user, ws);
}

static void on_error(tw_ws ws, void *user, const tw_error *error)
{
    CHECK(error->code != TW_OK && error->text[0]);
    inside(user, ws);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    CHECK(event->code >= 1000 && event->reason.ptr != NULL);
    if (one_in(2)) {
        inside(user, no_id(A_WS));
    } else {
        quick(ws);
    }
    closed++;
}

static int64_t on_reconnect(tw_ws ws, void *user, const tw_reconnect_ev *event)
{
    inside(user, ws);
    return one_in(3) ? -1 : one_in(2) ? (int64_t)below(20) : event->wait_ms;
}

static void on_request(tw_server server, void *user, tw_ws ws, const tw_request *request)
{
    begun++;
    CHECK(request->method.len == 3);
    keep(A_WS, ws);
    keep(A_SERVER, server);
    inside(user, ws);
}

static void on_time(void *user)
{
    inside(user, no_id(A_WS));
}

static void stop_it(void *user)
{
    judge("tw_loop_stop", tw_loop_stop(((struct place *)user)->loop), ALIVE);
}

static void on_log(void *user, int32_t level, const char *text, size_t len)
{
    (void)user;
    CHECK(level >= 1 && level <= 5 && text[len] == 0);
    lines++;
    judge("tw_ping", tw_ping(pooled_id(A_WS), "log", 3), ALIVE | BIT(TW_ESTATE));
}

static void on_poke(void *user)
{
    pokes++;
    if (one_in(8)) {
        judge("tw_loop_stop", tw_loop_stop(((struct place *)user)->loop), ALIVE);
    }
}

static const tw_events *some_events(void *room, int served)
{
    tw_events events = no_events();

    events.on_open = served ? on_served_open : on_open;
    events.on_message = on_message;
    events.on_chunk = one_in(4) ? on_message : NULL;
    events.on_ping = on_message;
    events.on_pong = on_message;
    events.on_drain = on_drain;
    events.on_error = on_error;
    events.on_close = on_close;
    events.on_reconnect = on_reconnect;
    return sized(room, &events, sizeof events);
}

/* ---- calls --------------------------------------------------------------------------------- */

#define SENDING (ALIVE | BIT(TW_EAGAIN) | BIT(TW_ESTATE) | BIT(TW_EBUSY) | BIT(TW_EUTF8) | BIT(TW_EINVAL))

/* On a connection, and none that waits for another thread's turn. */
static void quick(tw_ws ws)
{
    char text[200];
    unsigned char room[ROOM];
    tw_stats stats;
    size_t len, needed;
    const void *data = some_data(&len);
    uint32_t flags = some_flags();
    tw_buf *made;

    memset(&stats, 0, sizeof stats);
    switch (below(14)) {
    case 0: CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_EUTF8), tw_close, ws, some_code(), one_in(3) ? NULL : some_text()); break;
    case 1: CALL(ALIVE | BIT(TW_ETOOBIG) | BIT(TW_ESTATE) | BIT(TW_EINVAL), tw_ping, ws, data, len); break;
    case 2: CALL(ALIVE, tw_pause, ws); break;
    case 3: CALL(ALIVE, tw_resume, ws); break;
    case 4: CHECK(tw_ready_state(ws) >= 0 && tw_ready_state(ws) <= 3), tw_buffered_amount(ws); break;
    case 5:
        CALL(ALIVE | BIT(TW_ETOOBIG) | BIT(TW_EINVAL), tw_get_str, ws, (int)below(8), one_in(8) ? NULL : text,
             one_in(3) ? below(sizeof text) : 0, one_in(3) ? NULL : &needed);
        break;
    case 6: CALL(ALIVE | BIT(TW_EINVAL), tw_get_stats, ws, sized(room, &stats, sizeof stats)); break;
    case 7: if (one_in(4)) { CALL(ALIVE, tw_abort, ws); } break;
    case 8:
        made = one_in(9) ? NULL : tw_buf_new(below(100000));
        tw_buf_ref(made);
        if (CALL(SENDING, tw_send_buf, ws, some_flags(), made) != TW_OK) {
            tw_buf_unref(made);
        }
        tw_buf_data(made, one_in(2) ? NULL : &len);
        tw_buf_unref(made);
        break;
    default: CALL(SENDING, tw_send, ws, flags, data, len); break;
    }
}

/* On a connection or server: each may wait for the end of a turn. */
static void waiting(tw_ws ws, tw_server server)
{
    unsigned char room[ROOM];
    const char *list[4];
    size_t len, count;
    const void *data = some_data(&len);

    switch (below(8)) {
    case 0: if (one_in(4)) { detached += CALL(ALIVE, tw_detach, ws) == TW_OK; } break;
    case 1: case 2: case 3:
        CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_ESTATE) | BIT(TW_EUNSUPPORTED), tw_accept, ws, one_in(2) ? NULL : some_text(), some_list(list),
             one_in(2) ? NULL : some_events(room, 0), &places[LOOPS]);
        break;
    case 4:
        CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_EUTF8) | BIT(TW_ESTATE), tw_reject, ws, one_in(4) ? (int)draw() : 400 + (int)below(4),
             some_list(list), data, one_in(2) ? 0 : len);
        break;
    case 5: CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_EUTF8), tw_broadcast, server, some_flags(), data, len, one_in(2) ? NULL : &count); break;
    default: if (one_in(3)) { CALL(ALIVE, tw_server_close, server, below(10)); } break;
    }
}

/* What belongs to a loop is made. */
static void start_something(tw_loop loop, struct place *here, tw_timer other)
{
    tw_timer timer;
    uint16_t port;

    switch (below(6)) {
    case 0: case 1:
        if (CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_ESHUTDOWN) | BIT(TW_ENOMEM), tw_timer_start, loop, below(20),
                 one_in(2) ? 0 : 1 + below(5), one_in(20) ? NULL : on_time, here, &timer) == TW_OK) {
            keep(A_TIMER, timer);
        }
        break;
    case 2: CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_ESHUTDOWN), tw_post, loop, one_in(20) ? NULL : on_time, here); break;
    case 3: CALL(ALIVE | BIT(TW_EINVAL), tw_server_port, any_id(A_SERVER), one_in(9) ? NULL : &port); break;
    case 4: CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_EUNSUPPORTED), tw_server_set_tls, any_id(A_SERVER), any_id(A_TLS)); break;
    default: CALL(ALIVE, tw_timer_stop, other); break;
    }
}

static void connect_somewhere(tw_loop loop, struct place *here)
{
    unsigned char room[3][ROOM], last[ROOM];
    const char *list[2][4];
    tw_reconnect_opts again;
    tw_client_opts options;
    tw_error error;
    tw_ws ws;
    char url[80];
    static const char *const forms[] = {"ws://127.0.0.1:%d/", "ws://127.0.0.1:%d/a?b", "ws://localhost:%d/", "wss://127.0.0.1:%d/",
                                        "ftp://127.0.0.1:%d/", "ws://[::1]:%d/", "ws://127.0.0.1:%d/#fragment"};

    if (begun > closed + detached + MOST_CONNECTIONS) {
        return;
    }
    memset(&options, 0, sizeof options);
    snprintf(url, sizeof url, forms[one_in(2) ? 0 : below(7)], one_in(3) ? ports[below(4)] : ports[0]);
    options.url = one_in(40) ? NULL : url;
    options.tuning = some_tuning(room[0]);
    options.events = some_events(room[1], 0);
    options.user = here;
    if (one_in(3)) {
        options.protocols = some_list(list[0]);
        options.headers = some_list(list[1]);
        options.origin = one_in(3) ? some_text() : NULL;
        options.tls = one_in(4) ? any_id(A_TLS) : 0;
        options.flags = one_in(6) ? (uint32_t)draw() & 15 : 0;
        options.proxy = one_in(8) ? "http://127.0.0.1:1" : one_in(9) ? some_text() : NULL;
        options.bind_address = one_in(8) ? "127.0.0.1" : NULL;
        options.auth = one_in(8) ? below(5) : 0;
        options.auth_user = one_in(2) ? some_text() : NULL;
        options.auth_secret = one_in(2) ? some_text() : NULL;
        options.max_redirects = below(3);
        options.fd = (int)below(3) - 3;
    }
    if (one_in(4)) {
        memset(&again, 0, sizeof again);
        again.initial_ms = 1 + below(10);
        again.max_attempts = 1 + below(3);
        options.reconnect = sized(room[2], &again, sizeof again);
    }
    if (CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_EUNSUPPORTED) | BIT(TW_ESHUTDOWN), tw_connect, loop,
             sized(last, &options, sizeof options), one_in(60) ? NULL : &ws, one_in(2) ? NULL : &error) == TW_OK) {
        begun++;
        keep(A_WS, ws);
    }
}

static void listen_somewhere(tw_loop loop, struct place *here)
{
    unsigned char room[2][ROOM], last[ROOM];
    const char *list[3][4];
    tw_server_opts options;
    tw_error error;
    tw_server server = 0;
    uint16_t port;
    int asked = one_in(2);
    static const char *const addresses[] = {"127.0.0.1:0", "ws://127.0.0.1:0", "ws://[::1]:0", "wss://127.0.0.1:0", "nonsense", "ws://192.0.2.1:1"};

    memset(&options, 0, sizeof options);
    options.listen = one_in(40) ? NULL : addresses[one_in(2) ? 0 : below(6)];
    options.tuning = some_tuning(room[0]);
    options.events = some_events(room[1], !asked);
    options.user = here;
    options.on_request = asked ? on_request : NULL;
    options.max_conns = one_in(4) ? below(4) : 0;
    options.backlog = one_in(4) ? below(4) : 0;
    options.protocols = some_list(list[0]);
    options.origins = one_in(4) ? some_list(list[1]) : NULL;
    options.hosts = one_in(4) ? some_list(list[2]) : NULL;
    options.tls = one_in(4) ? any_id(A_TLS) : 0;
    options.flags = one_in(20) ? (uint32_t)draw() & 3 : 0;
    options.listen_fd = -1;
    sized(last, &options, sizeof options);
    if (asked && *(size_t *)(void *)last < sizeof options) {
        return; /* of a time before on_request: its connections would be counted by nobody */
    }
    if (CALL(ALIVE | BIT(TW_EINVAL) | BIT(TW_EUNSUPPORTED) | BIT(TW_ECONNECT) | BIT(TW_ESHUTDOWN), tw_listen, loop,
             (tw_server_opts *)(void *)last, one_in(60) ? NULL : &server, one_in(2) ? NULL : &error) == TW_OK && server) {
        keep(A_SERVER, server);
        if (CALL(ALIVE, tw_server_port, server, &port) == TW_OK) {
            ports[1 + below(3)] = port;
        }
    }
}

static void configure_tls(void)
{
    unsigned char room[ROOM];
    tw_tls_opts options;
    tw_error error;
    tw_tls tls = 0;

    if (one_in(2)) {
        CALL(ALIVE, tw_tls_free, any_id(A_TLS));
        return;
    }
    memset(&options, 0, sizeof options);
    options.ca_pem = one_in(2) ? test_certificate : "nonsense";
    options.ca_pem_len = strlen(options.ca_pem);
    options.flags = one_in(4) ? (uint32_t)draw() & 31 : TW_TLS_ONLY_THESE_CAS;
    options.ca_file = one_in(9) ? "/nowhere/ca.pem" : NULL;
    options.min_version = one_in(4) ? 0x0300 + below(6) : 0;
    if (one_in(2)) {
        options.cert_pem = test_certificate, options.cert_pem_len = sizeof test_certificate - 1;
        options.key_pem = test_key, options.key_pem_len = one_in(4) ? below(sizeof test_key) : sizeof test_key - 1;
    }
    if (CALL(BIT(TW_OK) | BIT(TW_EINVAL) | BIT(TW_ETLS) | BIT(TW_EUNSUPPORTED), tw_tls_new, sized(room, &options, sizeof options),
             one_in(60) ? NULL : &tls, one_in(2) ? NULL : &error) == TW_OK) {
        keep(A_TLS, tls);
    }
}

/* In a callback. Whatever waits for the end of a turn is only told of this loop's own, or nothing: two callbacks that
 * wait for each other's loop would wait for ever. */
static void inside(struct place *here, tw_ws ws)
{
    tw_loop loop = here->loop;

    if (over) {
        return;
    }
    switch (below(12)) {
    case 0: CALL(BIT(TW_EREENTRANT) | BIT(TW_EHANDLE), tw_loop_poll, loop, 0); break;
    case 1: CALL(BIT(TW_EREENTRANT) | BIT(TW_EHANDLE), tw_loop_free, loop, 0); break;
    case 2: CALL(BIT(TW_EREENTRANT) | BIT(TW_EHANDLE), tw_loop_run, loop); break;
    case 3: waiting(ws, no_id(A_SERVER)); break;
    case 4: start_something(loop, here, no_id(A_TIMER)); break;
    case 5: connect_somewhere(loop, here); break;
    case 6: if (one_in(6)) { listen_somewhere(loop, here); } break;
    case 7: case 8: quick(any_id(A_WS)); break;
    default: quick(ws); break;
    }
}

/* ---- loops --------------------------------------------------------------------------------- */

/* The next loop of a place: polled by these threads, driven by its own, or waited for, in turn. */
static void fill(struct place *here)
{
    unsigned char room[ROOM];
    tw_loop_opts options;
    tw_error error;
    tw_loop loop;
    int mode = (here->mode + 1) % 3;

    memset(&options, 0, sizeof options);
    options.flags = one_in(20) ? (uint32_t)draw() : mode == 2 ? TW_LOOP_WAITER : 0;
    options.reads_per_turn = below(3);
    options.log_level = (int32_t)below(7);
    options.on_log = one_in(2) ? on_log : NULL;
    do {
        void *given = sized(room, &options, sizeof options);

        if (CALL(BIT(TW_OK) | BIT(TW_EINVAL) | BIT(TW_EUNSUPPORTED) | BIT(TW_ENOMEM), tw_loop_new, given,
                 &loop, one_in(2) ? NULL : &error) == TW_OK) {
            break;
        }
        options.flags = 0, options.log_level = 0;
    } while (1);
    here->mode = mode;
    here->loop = loop;
    keep(A_LOOP, loop);
    if (mode == 1) {
        CALL(ALIVE | BIT(TW_EBUSY) | BIT(TW_ENOMEM), tw_loop_start, loop);
    }
}

static void drive(struct place *here, tw_loop loop)
{
    if (!one_in(64)) {
        CALL(ALIVE | BIT(TW_EBUSY), tw_loop_poll, loop, (int)below(4));
        return;
    }
    here->unending++; /* the main thread stops it */
    if (one_in(2)) {
        CALL(ALIVE | BIT(TW_ESHUTDOWN), tw_post, loop, stop_it, here);
        CALL(ALIVE | BIT(TW_EBUSY), tw_loop_run, loop);
    } else {
        CALL(ALIVE | BIT(TW_EBUSY), tw_loop_poll, loop, -1);
    }
    here->unending--;
}

static void on_a_loop(struct place *here, tw_loop loop)
{
    ptrdiff_t fd;
    uint64_t old = loop;

    switch (below(40)) {
    case 0: CALL(ALIVE | BIT(TW_EBUSY) | BIT(TW_ENOMEM), tw_loop_start, loop); break;
    case 1: CALL(ALIVE | BIT(TW_EINVAL), tw_loop_fd, loop, one_in(9) ? NULL : &fd); break;
    case 2: CALL(ALIVE | BIT(TW_ESTATE), tw_loop_on_ready, loop, one_in(3) ? NULL : on_poke, here); break;
    case 3: CALL(ALIVE, tw_loop_stop, loop); break;
    case 4:
        if (one_in(2) && CALL(ALIVE | BIT(TW_EBUSY), tw_loop_free, loop, below(4)) == TW_OK) {
            /* Whoever freed the loop of a place makes the next. */
            for (int at = 0; at < LOOPS; at++) {
                uint64_t expected = old;

                if (atomic_compare_exchange_strong(&places[at].loop, &expected, 0)) {
                    fill(&places[at]);
                }
            }
        }
        break;
    default: drive(here, loop); break;
    }
}

static void *hammer(void *user)
{
    number = (int)(uintptr_t)user;
    while (!over) {
        int at = (int)below(LOOPS);
        tw_loop loop = places[at].loop;
        struct place *here = &places[at];

        if (one_in(30)) {
            loop = any_id(A_LOOP), here = &places[LOOPS];
        }
        switch (below(12)) {
        case 0: case 1: case 2: on_a_loop(here, loop); break;
        case 3: connect_somewhere(loop, here); break;
        case 4: if (one_in(4)) { listen_somewhere(loop, here); } break;
        case 5: start_something(loop, here, any_id(A_TIMER)); break;
        case 6: waiting(any_id(A_WS), any_id(A_SERVER)); break;
        case 7: if (one_in(20)) { configure_tls(); } break;
        case 8: CHECK(tw_strerror((int)draw()) != NULL && tw_version() != 0); break;
        default:
            for (unsigned more = below(8); more > 0; more--) {
                quick(any_id(A_WS));
            }
            break;
        }
        sched_yield();
    }
    return NULL;
}

/* ---- the frame ----------------------------------------------------------------------------- */

/* Those that are in a call without an end of its own. */
static void stop_unending(void)
{
    for (int at = 0; at < LOOPS; at++) {
        if (places[at].unending || places[LOOPS].unending) {
            tw_loop_stop(places[at].loop);
        }
    }
}

/* A server that returns what it gets, in a process of its own: its ids are none of ours. */
static pid_t echo_elsewhere(int *port)
{
    int ends[2];
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        tw_tuning tuning;
        tw_events events = no_events();
        tw_server_opts options;
        tw_loop loop = new_loop();
        tw_server server;
        uint16_t made;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        memset(&tuning, 0, sizeof tuning);
        tuning.size = sizeof tuning;
        tuning.max_buffered = 500000;
        tuning.deflate = TW_DEFLATE_SHARED;
        events.on_message = echo;
        memset(&options, 0, sizeof options);
        options.size = sizeof options;
        options.listen = "127.0.0.1:0";
        options.tuning = &tuning;
        options.events = &events;
        OK(tw_listen(loop, &options, &server, NULL));
        OK(tw_server_port(server, &made));
        *port = made;
        CHECK(write(ends[1], port, sizeof *port) == sizeof *port);
        tw_loop_run(loop);
        _exit(1);
    }
    CHECK(read(ends[0], port, sizeof *port) == sizeof *port);
    close(ends[0]);
    close(ends[1]);
    return child;
}

/* Waits while it goes on; a call that takes ever so long is a hang. */
static void watch(double seconds)
{
    struct timespec while_they_work = {0, 5000000};
    double begin = now_s(), moved = begin;
    unsigned long seen = 0;

    while (now_s() < begin + seconds || ((!opened || !heard) && now_s() < begin + 30 * slowness())) {
        nanosleep(&while_they_work, NULL);
        stop_unending();
        if (calls != seen) {
            seen = calls, moved = now_s();
        } else if (now_s() > moved + 60 * slowness()) {
            fprintf(stderr, "seed %llu: it hangs in %s, %s, %s\n", (unsigned long long)seed, doing[0], doing[1], doing[2]);
            abort();
        }
    }
}

static void end_all(pthread_t threads[THREADS])
{
    struct timespec while_they_end = {0, 1000000};

    over = 1;
    for (int at = 0; at < THREADS; at++) {
        while (pthread_tryjoin_np(threads[at], NULL) != 0) {
            stop_unending();
            nanosleep(&while_they_end, NULL);
        }
    }
    for (int at = 0; at < LOOPS; at++) {
        judge("tw_loop_free", tw_loop_free(places[at].loop, 0), ALIVE);
    }
    for (int at = 0; at < POOL; at++) {
        judge("tw_tls_free", tw_tls_free(pools[A_TLS][at]), ALIVE);
        CHECK_STATUS(TW_EHANDLE, tw_abort(pools[A_WS][at]));
        CHECK_STATUS(TW_EHANDLE, tw_loop_stop(pools[A_LOOP][at]));
    }
}

static double given(int count, char **arguments, int at, const char *variable, double otherwise)
{
    const char *text = count > at ? arguments[at] : getenv(variable);

    return text ? atof(text) : otherwise;
}

int main(int count, char **arguments)
{
    double seconds = given(count, arguments, 2, "CHECK_SECONDS", 3);
    pthread_t threads[THREADS];
    int port;
    pid_t child;

    seed = (uint64_t)given(count, arguments, 1, "CHECK_SEED", (double)(time(NULL) % 1000000000));
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    memset(filler, 'x', sizeof filler);
    child = echo_elsewhere(&port);
    for (int at = 0; at < 4; at++) {
        ports[at] = at == 1 ? 1 : port;
    }
    for (int at = 0; at < LOOPS; at++) {
        places[at].mode = at;
        fill(&places[at]);
    }
    for (int at = 0; at < THREADS; at++) {
        CHECK(pthread_create(&threads[at], NULL, hammer, (void *)(uintptr_t)at) == 0);
    }
    watch(seconds);
    end_all(threads);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    printf("%lu calls, %lu connections begun, %lu opened, %lu closed, %lu detached, %lu messages, %lu log lines, %lu pokes\n",
           (unsigned long)calls, (unsigned long)begun, (unsigned long)opened, (unsigned long)closed, (unsigned long)detached,
           (unsigned long)heard, (unsigned long)lines, (unsigned long)pokes);
    CHECK(opened > 0 && heard > 0);
    /* One may be detached more than once, also in its own on_close. */
    CHECK(closed <= begun && begun <= closed + detached);
    return 0;
}
