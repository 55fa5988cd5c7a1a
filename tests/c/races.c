/* Eight threads that do everything at once with a loop that is being freed, round after round, with ids that are
 * alive, dying and long dead; the loop is driven by a thread of its own or by its host. CHECK_ROUNDS says how many
 * rounds. */
#include <stdatomic.h>

#include "check.h"

#define THREADS 8

static _Atomic uint64_t current_loop, current_ws, current_server, current_accepted, current_timer;
static _Atomic uint64_t arrived;
static _Atomic int over, is_open, in_secret;
static _Atomic unsigned long calls, opened, closed, detached, refused;

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)event;
    opened++;
    if (user) {
        arrived = ws;
        if (!in_secret) {
            current_accepted = ws;
        }
    } else {
        is_open = 1;
    }
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user, (void)event;
    closed++;
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    tw_buf_unref(tw_buf_keep(message));
    tw_send(ws, message->flags, message->data, message->len);
}

static void nothing(void *user)
{
    (void)user;
}

/* Whatever a call may say about an id that somebody else is freeing. */
static void expect(tw_status status)
{
    calls++;
    switch (status) {
    case TW_OK:
    case TW_EHANDLE:
    case TW_ESTATE:
    case TW_EAGAIN:
    case TW_EBUSY:
    case TW_ESHUTDOWN:
        return;
    default:
        fprintf(stderr, "a call gave %d (%s)\n", status, tw_strerror(status));
        abort();
    }
}

static void connect_somewhere(tw_loop loop)
{
    tw_events events = no_events();
    tw_client_opts options;
    tw_ws ws;

    events.on_open = on_open;
    events.on_close = on_close;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.url = "ws://127.0.0.1:1/";
    options.events = &events;
    if (tw_connect(loop, &options, &ws, NULL) != TW_OK) {
        refused++;
    }
}

static void act(unsigned random)
{
    static const char text[] = "some text that is sent from eight threads";
    uint64_t ids[] = {current_ws, current_accepted, current_ws, current_server};
    uint64_t id = ids[random >> 8 & 3];
    tw_stats stats;
    char url[64];
    tw_timer timer;
    tw_buf *made;

    switch (random & 31) {
    case 0: expect(tw_close(id, 1000, "enough")); break;
    case 1: expect(tw_abort(id)); break;
    case 2: expect(tw_ping(id, text, 5)); break;
    case 3: expect(tw_pause(id)); break;
    case 4: case 5: expect(tw_resume(id)); break;
    case 6: CHECK(tw_ready_state(id) <= 3); break;
    case 7: tw_buffered_amount(id); break;
    case 8: stats.size = sizeof stats; expect(tw_get_stats(id, &stats)); break;
    case 9: if (tw_get_str(id, TW_STR_URL, url, sizeof url, NULL) != TW_ETOOBIG) { calls++; } break;
    case 10: expect(tw_broadcast(current_server, TW_TEXT, text, sizeof text - 1, NULL)); break;
    case 11: expect(tw_post(current_loop, nothing, NULL)); break;
    case 12: if (tw_timer_start(current_loop, 1, 1, nothing, NULL, &timer) == TW_OK) { current_timer = timer; } break;
    case 13: expect(tw_timer_stop(current_timer)); break;
    case 14: connect_somewhere(current_loop); break;
    case 15: expect(tw_send(id, TW_TEXT | TW_MORE, text, 4)); break;
    case 16: case 17: expect(tw_send(id, random & 64 ? TW_MORE : 0, text, 4)); break;
    case 18:
        made = tw_buf_new(20000);
        if (tw_send_buf(id, TW_BINARY, made) != TW_OK) {
            tw_buf_unref(made);
        }
        break;
    case 19: if (random & 0x10000) { detached += tw_detach(id) == TW_OK; } break;
    case 20: expect(tw_server_close(random & 0x30000 ? 0 : current_server, 10)); break;
    default: expect(tw_send(id, TW_TEXT, text, sizeof text - 1)); break;
    }
}

static void *hammer(void *user)
{
    unsigned random = (unsigned)(uintptr_t)user * 2654435761u + 1;

    while (!over) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        act(random);
        /* There are more threads than processors, and the loop is to come to its turn. */
        sched_yield();
    }
    return NULL;
}

/* One turn of a loop that the host drives; another one makes them itself. */
static void turn(tw_loop loop, int hosted)
{
    if (hosted) {
        OK(tw_loop_poll(loop, 0));
    }
    sched_yield();
}

/* True if the connection was open. In every fourth round nobody knows of it before: otherwise few would get so far. */
static int one_round(int at)
{
    int hosted = at / 4 % 2, patient = at % 4 == 3;
    tw_events serving = no_events(), asking = no_events();
    tw_loop loop = new_loop();
    unsigned long before;
    tw_server server;
    tw_ws ws;
    uint16_t port;
    double end;

    serving.on_open = asking.on_open = on_open;
    serving.on_close = asking.on_close = on_close;
    serving.on_message = on_message;
    is_open = 0;
    in_secret = patient;
    server = listen_on(loop, &serving, &serving, &port);
    ws = connect_to(loop, port, &asking, NULL);
    if (!hosted) {
        OK(tw_loop_start(loop));
    }
    end = now_s() + 30 * slowness();
    while (patient && !is_open) {
        CHECK(now_s() < end);
        turn(loop, hosted);
    }
    if (patient) {
        in_secret = 0;
        current_accepted = arrived;
    }
    current_server = server;
    current_ws = ws;
    current_loop = loop;
    before = calls;
    end = now_s() + 0.001 * (at % 4);
    while (calls < before + 16 || now_s() < end) {
        turn(loop, hosted);
    }
    OK(tw_loop_free(loop, at % 7 == 0 ? 2 : 0));
    CHECK_STATUS(TW_EHANDLE, tw_send(current_ws, TW_TEXT, "x", 1));
    return is_open;
}

int main(void)
{
    const char *given = getenv("CHECK_ROUNDS");
    int rounds = given ? atoi(given) : 1000, at, got_open[2] = {0, 0};
    pthread_t threads[THREADS];

    for (at = 0; at < THREADS; at++) {
        CHECK(pthread_create(&threads[at], NULL, hammer, (void *)(uintptr_t)(at + 1)) == 0);
    }
    for (at = 0; at < rounds; at++) {
        got_open[at / 4 % 2] += one_round(at);
    }
    over = 1;
    for (at = 0; at < THREADS; at++) {
        CHECK(pthread_join(threads[at], NULL) == 0);
    }
    CHECK(calls > (unsigned long)rounds * 16);
    /* A quarter of those that each of the two drove. */
    CHECK(got_open[0] >= rounds / 8 && got_open[1] >= rounds / 8 - 1);
    CHECK(rounds < 1000 || (opened > 0 && closed > 0 && detached > 0));
    printf("%d rounds, in %d + %d open, %lu calls, %lu opened, %lu closed, %lu detached, %lu refused\n", rounds,
           got_open[0], got_open[1], (unsigned long)calls, (unsigned long)opened, (unsigned long)closed,
           (unsigned long)detached, (unsigned long)refused);
    return 0;
}
