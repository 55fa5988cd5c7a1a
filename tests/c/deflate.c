/* Compression between a client and a server of one loop: modes, choices, counts, limits. */
#include "check.h"

struct side {
    tw_ws ws;
    int opened, closed, code, error;
    char extensions[128];
    int messages;
    size_t bytes;
};

static struct side client, server;

static struct side *side_of(void *user)
{
    return user;
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct side *side = side_of(user);

    side->ws = ws;
    side->opened = 1;
    CHECK(opened->extensions.len < sizeof side->extensions);
    memcpy(side->extensions, opened->extensions.ptr, opened->extensions.len + 1);
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct side *side = side_of(user);

    side->messages++;
    side->bytes += message->len;
    if (side == &server) {
        echo(ws, user, message);
    }
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct side *side = side_of(user);

    (void)ws;
    side->code = closed->code;
    side->error = closed->error ? closed->error->code : 0;
    side->closed = 1;
}

static tw_events all_events(void)
{
    tw_events events = no_events();

    events.on_open = on_open;
    events.on_message = on_message;
    events.on_close = on_close;
    return events;
}

static tw_tuning tuned(uint32_t mode)
{
    tw_tuning tuning;

    memset(&tuning, 0, sizeof tuning);
    tuning.size = sizeof tuning;
    tuning.deflate = mode;
    return tuning;
}

/* Both ends of an open connection; the listener closes at once. */
static void open_pair(tw_loop loop, const tw_tuning *ours, const tw_tuning *theirs)
{
    tw_events events = all_events();
    tw_server_opts listening;
    tw_client_opts options;
    tw_server listener;
    uint16_t port;
    char url[64];

    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    memset(&listening, 0, sizeof listening);
    listening.size = sizeof listening;
    listening.listen = "ws://127.0.0.1:0";
    listening.tuning = theirs;
    listening.events = &events;
    listening.user = &server;
    OK(tw_listen(loop, &listening, &listener, NULL));
    OK(tw_server_port(listener, &port));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.url = url;
    options.tuning = ours;
    options.events = &events;
    options.user = &client;
    OK(tw_connect(loop, &options, &client.ws, NULL));
    poll_until(loop, &client.opened);
    poll_until(loop, &server.opened);
    OK(tw_server_close(listener, 0));
}

static void close_pair(tw_loop loop)
{
    OK(tw_close(client.ws, 1000, NULL));
    poll_until(loop, &client.closed);
    poll_until(loop, &server.closed);
    CHECK(client.code == 1000 && server.code == 1000);
}

static tw_stats stats_of(tw_ws ws)
{
    tw_stats stats;

    memset(&stats, 0, sizeof stats);
    stats.size = sizeof stats;
    OK(tw_get_stats(ws, &stats));
    return stats;
}

static void wait_for_messages(tw_loop loop, int count)
{
    double end = now_s() + 30 * slowness();

    while (client.messages < count) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, 100));
    }
}

static char text[4000];

static void modes(tw_loop loop)
{
    static const uint32_t all[] = {TW_DEFLATE_SHARED, TW_DEFLATE_DEDICATED, TW_DEFLATE_PARKED};
    char asked[128];
    int i, k;

    for (i = 0; i < 3; i++) {
        tw_tuning tuning = tuned(all[i]);
        tw_stats ours, theirs;

        open_pair(loop, &tuning, &tuning);
        CHECK(strncmp(client.extensions, "permessage-deflate", 18) == 0);
        CHECK(strcmp(client.extensions, server.extensions) == 0);
        OK(tw_get_str(client.ws, TW_STR_EXTENSIONS, asked, sizeof asked, NULL));
        CHECK(strcmp(client.extensions, asked) == 0);
        CHECK((strstr(asked, "server_no_context_takeover") != NULL) == (all[i] == TW_DEFLATE_SHARED));
        for (k = 0; k < 20; k++) {
            OK(tw_send(client.ws, TW_TEXT, text, sizeof text));
        }
        wait_for_messages(loop, 20);
        CHECK(client.bytes == 20 * sizeof text && server.bytes == 20 * sizeof text);
        ours = stats_of(client.ws);
        theirs = stats_of(server.ws);
        CHECK(ours.deflate_sent == 20 * sizeof text && theirs.deflate_sent == 20 * sizeof text);
        CHECK(ours.deflate_sent_compressed < ours.deflate_sent / 2);
        CHECK(ours.deflate_sent_compressed == theirs.deflate_received_compressed);
        CHECK(theirs.deflate_sent_compressed == ours.deflate_received_compressed);
        CHECK(ours.deflate_received == 20 * sizeof text && theirs.deflate_received == 20 * sizeof text);
        close_pair(loop);
    }
}

/* Clients offer, servers accept when told to. */
static void defaults(tw_loop loop)
{
    tw_tuning off = tuned(TW_DEFLATE_OFF), on = tuned(TW_DEFLATE_DEDICATED), old = tuned(77);

    open_pair(loop, NULL, NULL);
    CHECK(client.extensions[0] == 0 && server.extensions[0] == 0);
    OK(tw_send(client.ws, TW_TEXT | TW_DEFLATE, text, sizeof text));
    wait_for_messages(loop, 1);
    CHECK(stats_of(client.ws).deflate_sent == 0);
    close_pair(loop);
    open_pair(loop, NULL, &on);
    CHECK(strcmp(server.extensions, "permessage-deflate") == 0);
    close_pair(loop);
    open_pair(loop, &off, &on);
    CHECK(server.extensions[0] == 0);
    close_pair(loop);
    /* A structure from before compression ends before the mode. */
    old.size = offsetof(tw_tuning, deflate);
    open_pair(loop, &old, &old);
    CHECK(client.extensions[0] == 0);
    close_pair(loop);
}

/* A program of a later version has a longer structure, of which only the size is set. */
static void later_stats(tw_ws ws)
{
    struct {
        tw_stats known;
        uint64_t later[2];
    } stats;

    memset(&stats, 0xee, sizeof stats);
    stats.known.size = sizeof stats;
    OK(tw_get_stats(ws, &stats.known));
    CHECK(stats.known.size == sizeof stats && stats.known.deflate_sent == 107);
    CHECK(stats.later[0] == 0 && stats.later[1] == 0);
}

static void *send_parts(void *unused)
{
    OK(tw_send(client.ws, TW_BINARY | TW_MORE | TW_NODEFLATE, text, 200));
    OK(tw_send(client.ws, 0, text, 200));
    return unused;
}

static void choices(tw_loop loop)
{
    tw_tuning tuning = tuned(TW_DEFLATE_DEDICATED);
    pthread_t thread;

    tuning.deflate_threshold = 100;
    open_pair(loop, &tuning, &tuning);
    OK(tw_send(client.ws, TW_TEXT, text, 99));
    OK(tw_send(client.ws, TW_TEXT | TW_NODEFLATE, text, 1000));
    CHECK(stats_of(client.ws).deflate_sent == 0);
    OK(tw_send(client.ws, TW_TEXT, text, 100));
    CHECK(stats_of(client.ws).deflate_sent == 100);
    OK(tw_send(client.ws, TW_BINARY | TW_DEFLATE, text, 7));
    CHECK(stats_of(client.ws).deflate_sent == 107);
    later_stats(client.ws);
    CHECK_STATUS(TW_EINVAL, tw_send(client.ws, TW_TEXT | TW_DEFLATE | TW_NODEFLATE, text, 7));

    /* In parts: the first one decides. */
    OK(tw_send(client.ws, TW_TEXT | TW_MORE | TW_NODEFLATE, text, 500));
    OK(tw_send(client.ws, 0, text, 500));
    CHECK(stats_of(client.ws).deflate_sent == 107);
    OK(tw_send(client.ws, TW_BINARY | TW_MORE | TW_DEFLATE, text, 3));
    CHECK_STATUS(TW_EINVAL, tw_send(client.ws, TW_MORE | TW_NODEFLATE, text, 3));
    OK(tw_send(client.ws, TW_MORE, text, 3));
    OK(tw_send(client.ws, 0, text, 3));
    CHECK(stats_of(client.ws).deflate_sent == 116);
    CHECK_STATUS(TW_EINVAL, tw_send(client.ws, TW_TEXT | TW_MORE | TW_DEFLATE | TW_NODEFLATE, text, 7));
    CHECK(pthread_create(&thread, NULL, send_parts, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    wait_for_messages(loop, 7);
    CHECK(client.bytes == 99 + 1000 + 100 + 7 + 1000 + 9 + 400);
    CHECK(stats_of(client.ws).deflate_sent == 116);
    close_pair(loop);
}

static void too_big(tw_loop loop)
{
    tw_tuning ours = tuned(TW_DEFLATE_DEDICATED), theirs = tuned(TW_DEFLATE_DEDICATED);

    theirs.max_message = sizeof text - 1;
    open_pair(loop, &ours, &theirs);
    OK(tw_send(client.ws, TW_TEXT, text, sizeof text - 1));
    wait_for_messages(loop, 1);
    OK(tw_send(client.ws, TW_TEXT, text, sizeof text));
    poll_until(loop, &client.closed);
    poll_until(loop, &server.closed);
    CHECK(client.code == 1009 && server.code == 1006 && server.error == TW_ETOOBIG);
}

static void refusals(tw_loop loop)
{
    tw_stats stats;
    tw_events events = all_events();
    tw_tuning tuning = tuned(TW_DEFLATE_SHARED);
    tw_client_opts options;
    tw_error error;
    tw_ws ws;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.url = "ws://127.0.0.1:1/";
    options.events = &events;
    options.tuning = &tuning;
    tuning.deflate = 9;
    CHECK_STATUS(TW_EINVAL, tw_connect(loop, &options, &ws, &error));
    CHECK(strstr(error.text, "tw_tuning.deflate is 9") != NULL);
    tuning = tuned(TW_DEFLATE_SHARED);
    tuning.deflate_window_bits = 8;
    CHECK_STATUS(TW_EINVAL, tw_connect(loop, &options, &ws, &error));
    CHECK(strstr(error.text, "deflate_window_bits is 8, not from 9 to 15") != NULL);
    {
        tw_server_opts listening;
        tw_server listener;

        memset(&listening, 0, sizeof listening);
        listening.size = sizeof listening;
        listening.listen = "ws://127.0.0.1:0";
        listening.events = &events;
        listening.tuning = &tuning;
        CHECK_STATUS(TW_EINVAL, tw_listen(loop, &listening, &listener, &error));
        CHECK(strstr(error.text, "deflate_window_bits is 8") != NULL);
    }
    memset(&stats, 0, sizeof stats);
    CHECK_STATUS(TW_EINVAL, tw_get_stats(client.ws, NULL));
    CHECK_STATUS(TW_EINVAL, tw_get_stats(client.ws, &stats));
    stats.size = offsetof(tw_stats, latency_ns) - 1; /* less than the first version had */
    CHECK_STATUS(TW_EINVAL, tw_get_stats(client.ws, &stats));
    stats.size = sizeof stats;
    CHECK_STATUS(TW_EHANDLE, tw_get_stats(client.ws, &stats));
    CHECK_STATUS(TW_EHANDLE, tw_get_stats(0, &stats));
    CHECK_STATUS(TW_EHANDLE, tw_get_stats(loop, &stats));
}

int main(void)
{
    tw_loop loop = new_loop();
    size_t i;

    for (i = 0; i < sizeof text; i++) {
        text[i] = "the quick brown fox "[i * i % 1013 % 20];
    }
    modes(loop);
    defaults(loop);
    choices(loop);
    too_big(loop);
    refusals(loop);
    OK(tw_loop_free(loop, 0));
    return 0;
}
