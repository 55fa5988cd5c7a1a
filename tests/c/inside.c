/* Everything that ends a connection, from inside every callback, of itself and of another one; and what must not be
 * called there. */
#include "check.h"

enum place { ON_OPEN, ON_MESSAGE, ON_CHUNK, ON_PING, ON_PONG, ON_DRAIN, ON_ERROR, ON_CLOSE, ON_RECONNECT, ON_REQUEST,
             IN_TIMER, IN_POST, PLACES };
enum action { CLOSE, ABORT, DETACH, ACTIONS };

static const char *const places[] = {"on_open", "on_message", "on_chunk", "on_ping", "on_pong", "on_drain", "on_error",
                                     "on_close", "on_reconnect", "on_request", "a timer", "a post"};
static const char *const actions[] = {"tw_close", "tw_abort", "tw_detach"};

static struct {
    enum place place;
    enum action action;
    int other;           /* of the other connection, not of that whose callback runs */
    int acted, detached; /* whether it was done, and by tw_detach to this connection */
    tw_loop loop;
    tw_ws self, bystander, server_side;
    int opens, messages, pings, pongs, drains, closes, bystander_opens, bystander_closes, server_closes;
} now;

static void here(enum place place, tw_ws self)
{
    tw_ws target = now.other ? now.bystander : self;

    if (place != now.place || now.acted) {
        return;
    }
    now.acted = 1;
    CHECK_STATUS(TW_EREENTRANT, tw_loop_free(now.loop, 0));
    CHECK_STATUS(TW_EREENTRANT, tw_loop_poll(now.loop, 0));
    CHECK_STATUS(TW_EREENTRANT, tw_loop_run(now.loop));
    switch (now.action) {
    case CLOSE: OK(tw_close(target, 1000, "enough")); break;
    case ABORT: OK(tw_abort(target)); break;
    default:
        OK(tw_detach(target));
        now.detached = 1;
    }
}

static void posted(void *user)
{
    (void)user;
    here(IN_POST, now.self);
}

static void timed(void *user)
{
    (void)user;
    here(IN_TIMER, now.self);
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    static char much[300000];

    (void)user, (void)event;
    now.opens++;
    here(ON_OPEN, ws);
    OK(tw_post(now.loop, posted, NULL));
    OK(tw_timer_start(now.loop, 1, 0, timed, NULL, NULL));
    if (tw_ready_state(ws) == 1) {
        OK(tw_send(ws, TW_BINARY, much, sizeof much));
        OK(tw_ping(ws, "?", 1));
    }
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user, (void)message;
    now.messages++;
    here(ON_MESSAGE, ws);
}

static void on_chunk(tw_ws ws, void *user, const tw_msg *chunk)
{
    (void)user;
    now.messages += !(chunk->flags & TW_MORE);
    here(ON_CHUNK, ws);
}

static void on_ping(tw_ws ws, void *user, const tw_msg *ping)
{
    (void)user, (void)ping;
    now.pings++;
    here(ON_PING, ws);
}

static void on_pong(tw_ws ws, void *user, const tw_msg *pong)
{
    (void)user, (void)pong;
    now.pongs++;
    here(ON_PONG, ws);
}

static void on_drain(tw_ws ws, void *user, uint64_t buffered)
{
    (void)user, (void)buffered;
    now.drains++;
    here(ON_DRAIN, ws);
}

static void on_error(tw_ws ws, void *user, const tw_error *error)
{
    (void)user, (void)error;
    here(ON_ERROR, ws);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)user, (void)event;
    now.closes++;
    here(ON_CLOSE, ws);
}

static int64_t on_reconnect(tw_ws ws, void *user, const tw_reconnect_ev *event)
{
    (void)user, (void)event;
    here(ON_RECONNECT, ws);
    return -1;
}

static void bystander_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)ws, (void)user, (void)event;
    now.bystander_opens++;
}

static void bystander_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user, (void)event;
    now.bystander_closes++;
}

static void server_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    tw_send(ws, message->flags, message->data, message->len);
    tw_ping(ws, "!", 1);
}

static void server_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)user, (void)event;
    now.server_closes += ws == now.server_side;
}

static void on_request(tw_server server, void *user, tw_ws ws, const tw_request *request)
{
    (void)server, (void)user;
    if (strcmp(request->target.ptr, "/self") == 0) {
        now.server_side = ws;
        here(ON_REQUEST, ws);
    }
    tw_accept(ws, NULL, NULL, NULL, NULL); /* not legal any more if it was ended */
}

static tw_ws dial_path(uint16_t port, const char *path, const tw_events *events, int comes_back)
{
    tw_reconnect_opts again;
    tw_client_opts options;
    char url[64];
    tw_ws ws;

    memset(&again, 0, sizeof again);
    memset(&options, 0, sizeof options);
    again.size = sizeof again;
    options.size = sizeof options;
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/%s", port, path);
    options.url = url;
    options.events = events;
    options.reconnect = comes_back ? &again : NULL;
    OK(tw_connect(now.loop, &options, &ws, NULL));
    return ws;
}

static int over(void)
{
    return now.closes > 0 || (now.detached && !now.other) || now.server_closes > 0;
}

static void talk(void)
{
    tw_events asking = no_events(), standing_by = no_events(), serving = no_events();
    tw_server_opts options;
    tw_server server;
    uint16_t port;
    double end = now_s() + 30 * slowness();

    memset(&options, 0, sizeof options);
    now.loop = new_loop();
    serving.on_message = server_message;
    serving.on_close = server_close;
    options.size = sizeof options;
    options.listen = "ws://127.0.0.1:0";
    options.events = &serving;
    options.on_request = on_request;
    OK(tw_listen(now.loop, &options, &server, NULL));
    OK(tw_server_port(server, &port));
    standing_by.on_open = bystander_open;
    standing_by.on_close = bystander_close;
    now.bystander = dial_path(port, "bystander", &standing_by, 0);
    poll_until(now.loop, &now.bystander_opens);
    asking.on_open = on_open;
    asking.on_message = on_message;
    asking.on_chunk = now.place == ON_CHUNK ? on_chunk : NULL;
    asking.on_ping = on_ping;
    asking.on_pong = on_pong;
    asking.on_drain = on_drain;
    asking.on_error = on_error;
    asking.on_close = on_close;
    asking.on_reconnect = on_reconnect;
    now.self = dial_path(port, "self", &asking, now.place == ON_RECONNECT);
    /* Until all has come that comes, or it was ended before. */
    while (!over() && !(now.messages && now.pings && now.pongs && now.drains && (now.place < IN_TIMER || now.acted))) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(now.loop, 100));
    }
    /* Then the server breaks it off. */
    tw_abort(now.server_side);
    while (!over() || !now.acted) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(now.loop, 100));
    }
    OK(tw_loop_free(now.loop, 0));
}

int main(void)
{
    int place, action, other;

    for (place = 0; place < PLACES; place++) {
        for (action = 0; action < ACTIONS; action++) {
            for (other = 0; other < 2; other++) {
                int silent, silent_bystander, silent_server;

                memset(&now, 0, sizeof now);
                now.place = (enum place)place;
                now.action = (enum action)action;
                now.other = other;
                talk();
                silent = now.detached && !other && place != ON_REQUEST && place != ON_CLOSE;
                silent_bystander = now.detached && other;
                silent_server = now.detached && !other && place == ON_REQUEST;
                if (now.closes != !silent || now.bystander_closes != !silent_bystander ||
                    now.server_closes != !silent_server) {
                    fprintf(stderr, "%s of %s in %s: %d, %d and %d closed\n", actions[action],
                            other ? "another" : "itself", places[place], now.closes, now.bystander_closes,
                            now.server_closes);
                    return 1;
                }
            }
        }
    }
    return 0;
}
