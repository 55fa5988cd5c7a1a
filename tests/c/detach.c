/* tw_detach, on_log, the counts of tw_get_stats, and what a connection tells in its own on_close. */
#include "check.h"

struct log {
    char lines[64][200];
    int levels[64], count;
    tw_loop loop;
    tw_ws ws;
};

struct talk {
    int opens, messages, closes;
    _Atomic int in_message;
    int detach_in; /* 1: on_open, 2: on_message, 3: on_error, 4: on_close */
    tw_ws ws;
    tw_stats stats;
    char tls[16], url[64];
};

static void nothing(void *user)
{
    (void)user;
}

static void on_log(void *user, int level, const char *text, size_t len)
{
    struct log *log = user;

    CHECK(strlen(text) == len && log->count < 64);
    log->levels[log->count] = level;
    snprintf(log->lines[log->count++], sizeof log->lines[0], "%s", text);
    /* What waits for the loop, or drives it, cannot be called from here. */
    CHECK_STATUS(TW_EREENTRANT, tw_loop_poll(log->loop, 0));
    if (log->ws) {
        CHECK_STATUS(TW_EREENTRANT, tw_timer_start(log->loop, 1, 0, nothing, NULL, NULL));
        CHECK(tw_ready_state(log->ws) <= 3);
        tw_send(log->ws, TW_TEXT, "logged", 6);
    }
}

static void leave(struct talk *talk, int place)
{
    if (talk->detach_in == place) {
        OK(tw_detach(talk->ws));
        CHECK_STATUS(TW_ESTATE, tw_send(talk->ws, TW_TEXT, "x", 1));
    }
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct talk *talk = user;

    (void)opened;
    talk->ws = ws;
    talk->opens++;
    leave(talk, 1);
    if (talk->detach_in != 1) {
        OK(tw_send(ws, TW_TEXT, "hello", 5));
    }
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct talk *talk = user;

    (void)message, (void)ws;
    talk->messages++;
    leave(talk, 2);
}

static void on_error(tw_ws ws, void *user, const tw_error *error)
{
    (void)ws, (void)error;
    leave(user, 3);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct talk *talk = user;

    (void)closed;
    talk->closes++;
    talk->stats.size = sizeof talk->stats;
    OK(tw_get_stats(ws, &talk->stats));
    OK(tw_get_str(ws, TW_STR_URL, talk->url, sizeof talk->url, NULL));
    OK(tw_get_str(ws, TW_STR_TLS, talk->tls, sizeof talk->tls, NULL));
    leave(talk, 4);
}

static tw_events talking(void)
{
    tw_events events = no_events();

    events.on_open = on_open;
    events.on_message = on_message;
    events.on_error = on_error;
    events.on_close = on_close;
    return events;
}

static void from_callbacks(tw_loop loop, uint16_t port, int *gone)
{
    tw_events events = talking();
    struct talk talk;
    int place;

    for (place = 1; place <= 4; place++) {
        memset(&talk, 0, sizeof talk);
        talk.detach_in = place;
        *gone = 0;
        connect_to(loop, port, &events, &talk);
        if (place > 2) {
            poll_until(loop, &talk.messages);
            OK(tw_abort(talk.ws));
        }
        poll_until(loop, gone);
        CHECK(talk.opens == 1 && talk.messages == (place > 1));
        CHECK(talk.closes == (place == 4));
        CHECK_STATUS(TW_EHANDLE, tw_detach(talk.ws));
    }
}

static void slow_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct talk *talk = user;
    double end = now_s() + 0.05;

    (void)ws, (void)message;
    talk->in_message = 1;
    while (now_s() < end) {
        sched_yield();
    }
    talk->in_message = 2;
    talk->messages++;
}

/* From another thread it waits for the callback that runs. */
static void from_outside(uint16_t port)
{
    tw_events events = talking();
    struct talk talk;
    tw_loop loop = new_loop();
    tw_ws ws;

    memset(&talk, 0, sizeof talk);
    events.on_message = slow_message;
    OK(tw_loop_start(loop));
    ws = connect_to(loop, port, &events, &talk);
    while (talk.in_message == 0) {
        sched_yield();
    }
    OK(tw_detach(ws));
    CHECK(talk.in_message == 2 && talk.closes == 0);
    CHECK(tw_ready_state(ws) >= 2);
    memset(&talk, 0, sizeof talk);
    ws = connect_to(loop, port, &events, &talk);
    OK(tw_detach(ws));
    OK(tw_loop_free(loop, 0));
    CHECK(talk.closes == 0);
    CHECK_STATUS(TW_EHANDLE, tw_detach(ws));
}

static void logged(uint16_t port)
{
    tw_events events = talking(), silent = no_events();
    tw_loop_opts options;
    struct talk talk;
    struct log log;
    uint16_t deaf;
    int index, seen = 0;

    memset(&log, 0, sizeof log);
    memset(&talk, 0, sizeof talk);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.log_level = 6;
    CHECK_STATUS(TW_EINVAL, (options.on_log = on_log, tw_loop_new(&options, &log.loop, NULL)));
    options.log_level = TW_LOG_TRACE;
    options.user = &log;
    OK(tw_loop_new(&options, &log.loop, NULL));
    listen_on(log.loop, &silent, NULL, &deaf);
    connect_to(log.loop, port, &events, &talk);
    poll_until(log.loop, &talk.messages);
    OK(tw_close(talk.ws, 1000, NULL));
    poll_until(log.loop, &talk.closes);
    CHECK(talk.stats.messages_sent == 1 && talk.stats.payload_sent == 5);
    CHECK(talk.stats.messages_received == 1 && talk.stats.payload_received == 5);
    CHECK(talk.stats.bytes_sent > 100 && talk.stats.bytes_received > 100);
    CHECK(strncmp(talk.url, "ws://127.0.0.1:", 15) == 0 && talk.tls[0] == 0);
    memset(&talk, 0, sizeof talk);
    connect_to(log.loop, deaf, &events, &talk);
    poll_until(log.loop, &talk.opens);
    log.ws = talk.ws;
    while (seen == 0) {
        OK(tw_loop_poll(log.loop, 1000));
        for (index = 0; index < log.count; index++) {
            seen += strstr(log.lines[index], "messages are dropped") && log.levels[index] == TW_LOG_WARN;
        }
    }
    log.ws = 0;
    for (index = seen = 0; index < log.count; index++) {
        seen |= (strncmp(log.lines[index], "listening on 127.0.0.1:", 23) == 0) << 0;
        seen |= (strstr(log.lines[index], ": closed with 1000") != NULL) << 1;
        seen |= (strstr(log.lines[index], ": received text message, 5 bytes") != NULL) << 2;
    }
    CHECK(seen == 7);
    OK(tw_loop_free(log.loop, 0));
}

static void gone_by_one(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)closed;
    ++*(int *)user;
}

int main(void)
{
    tw_events serving = no_events();
    tw_loop loop = new_loop(), other = new_loop();
    uint16_t port;
    int gone = 0;

    serving.on_message = echo;
    serving.on_close = gone_by_one;
    listen_on(loop, &serving, &gone, &port);
    from_callbacks(loop, port, &gone);
    OK(tw_loop_start(loop));
    from_outside(port);
    logged(port);
    OK(tw_loop_free(loop, 0));
    OK(tw_loop_free(other, 0));
    return 0;
}
