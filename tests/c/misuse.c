/* Wrong use: every row is a status, never a crash, and nothing is sent. */
#include "check.h"

static volatile int opened, closed, finished;
static tw_loop loop;
static tw_ws last_ws;
static int close_events;

static void a_dead_id_is_an_error(tw_ws ws)
{
    char buffer[8];
    size_t need;

    CHECK_STATUS(TW_EHANDLE, tw_send(ws, TW_TEXT, "x", 1));
    CHECK_STATUS(TW_EHANDLE, tw_ping(ws, "x", 1));
    CHECK_STATUS(TW_EHANDLE, tw_close(ws, 1000, NULL));
    CHECK_STATUS(TW_EHANDLE, tw_abort(ws));
    CHECK_STATUS(TW_EHANDLE, tw_get_str(ws, TW_STR_URL, buffer, sizeof buffer, &need));
    CHECK(tw_ready_state(ws) == 3);
    CHECK(tw_buffered_amount(ws) == 0);
}

static void *in_a_thread(void *user)
{
    a_dead_id_is_an_error(*(tw_ws *)user);
    return NULL;
}

static void a_dead_id_is_an_error_everywhere(tw_ws ws)
{
    pthread_t thread;

    a_dead_id_is_an_error(ws);
    CHECK(pthread_create(&thread, NULL, in_a_thread, &ws) == 0);
    pthread_join(thread, NULL);
}

/* Calls on itself, on the loop and with nonsense, from inside a callback. */
static void abuse(tw_ws ws)
{
    CHECK_STATUS(TW_EREENTRANT, tw_loop_run(loop));
    CHECK_STATUS(TW_EREENTRANT, tw_loop_poll(loop, 0));
    CHECK_STATUS(TW_EREENTRANT, tw_loop_free(loop, 0));
    CHECK_STATUS(TW_EBUSY, tw_loop_start(loop));
    CHECK_STATUS(TW_EHANDLE, tw_send(loop, TW_TEXT, "x", 1));
    CHECK_STATUS(TW_EHANDLE, tw_send(ws + 4096, TW_TEXT, "x", 1));
    CHECK_STATUS(TW_EHANDLE, tw_send(0, TW_TEXT, "x", 1));
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    char buffer[64];
    size_t need = 0;

    (void)user;
    opened = 1;
    abuse(ws);
    CHECK(event->url.len == strlen(event->url.ptr));
    CHECK(tw_header(event->headers, "UPGRADE", &need) != NULL);
    CHECK(need == 9);
    CHECK(tw_header(event->headers, "X-None", NULL) == NULL);
    CHECK(tw_header(NULL, "Upgrade", NULL) == NULL);
    CHECK_STATUS(TW_ESTATE, tw_send(ws, 0, "x", 1));
    CHECK_STATUS(TW_EINVAL, tw_send(ws, TW_TEXT | TW_BINARY, "x", 1));
    CHECK_STATUS(TW_EINVAL, tw_send(ws, 0x8000, "x", 1));
    CHECK_STATUS(TW_EINVAL, tw_send(ws, TW_TEXT | TW_MORE | TW_NODEFLATE | 0x8000, "x", 1));
    CHECK_STATUS(TW_EINVAL, tw_send(ws, TW_TEXT, NULL, 1));
    CHECK_STATUS(TW_EUTF8, tw_send(ws, TW_TEXT, "\xc3", 1));
    CHECK_STATUS(TW_EINVAL, tw_ping(ws, NULL, 1));
    CHECK_STATUS(TW_EINVAL, tw_close(ws, 1005, NULL));
    CHECK_STATUS(TW_EINVAL, tw_close(ws, 999, NULL));
    CHECK_STATUS(TW_EINVAL, tw_close(ws, 70000, NULL));
    CHECK_STATUS(TW_EINVAL, tw_close(ws, 0, "reason without a code"));
    CHECK_STATUS(TW_EUTF8, tw_close(ws, 1000, "\xff"));
    CHECK_STATUS(TW_EINVAL, tw_close(ws, 1000,
                                     "12345678901234567890123456789012345678901234567890123456789012345678901234567890"
                                     "12345678901234567890123456789012345678901234"));
    CHECK_STATUS(TW_EINVAL, tw_get_str(ws, 77, buffer, sizeof buffer, NULL));
    CHECK_STATUS(TW_EINVAL, tw_get_str(ws, TW_STR_URL, NULL, 5, NULL));
    CHECK_STATUS(TW_ETOOBIG, tw_get_str(ws, TW_STR_URL, buffer, 3, &need));
    OK(tw_get_str(ws, TW_STR_URL, NULL, 0, &need));
    OK(tw_get_str(ws, TW_STR_URL, buffer, sizeof buffer, &need));
    CHECK(strlen(buffer) + 1 == need);
    CHECK(strcmp(buffer, event->url.ptr) == 0);
    CHECK(tw_ready_state(ws) == 1);
    OK(tw_send(ws, TW_BINARY, NULL, 0));
}

static void ping_too_long(tw_ws ws)
{
    char payload[126];

    memset(payload, 'p', sizeof payload);
    CHECK_STATUS(TW_ETOOBIG, tw_ping(ws, payload, 126));
    OK(tw_ping(ws, payload, 125));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    CHECK(message->len == 0 && message->data != NULL && message->flags == TW_BINARY);
    ping_too_long(ws);
    abuse(ws);
    OK(tw_close(ws, 1000, "done"));
    OK(tw_close(ws, 1000, "twice does no harm"));
    CHECK(tw_ready_state(ws) == 2);
    CHECK_STATUS(TW_ESTATE, tw_send(ws, TW_TEXT, "late", 4));
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)user, (void)event;
    close_events++;
    abuse(ws);
    CHECK_STATUS(TW_ESTATE, tw_send(ws, TW_TEXT, "late", 4));
    OK(tw_close(ws, 1000, NULL));
    OK(tw_abort(ws));
    CHECK(tw_ready_state(ws) == 3);
    last_ws = ws;
    closed = 1;
}

static void in_every_callback(void)
{
    tw_events server_events = no_events(), client_events = no_events();
    uint16_t port;
    tw_server server;
    tw_ws ws;

    server_events.on_message = echo;
    client_events.on_open = on_open;
    client_events.on_message = on_message;
    client_events.on_close = on_close;
    server = listen_on(loop, &server_events, NULL, &port);
    CHECK_STATUS(TW_EHANDLE, tw_send(server, TW_TEXT, "x", 1));
    CHECK_STATUS(TW_EHANDLE, tw_close(server, 1000, NULL));
    ws = connect_to(loop, port, &client_events, NULL);
    CHECK_STATUS(TW_ESTATE, tw_send(ws, TW_TEXT, "early", 5));
    CHECK(tw_ready_state(ws) == 0);
    CHECK_STATUS(TW_EHANDLE, tw_server_close(ws, 0));
    poll_until(loop, &closed);
    CHECK(opened && close_events == 1 && last_ws == ws);
    a_dead_id_is_an_error_everywhere(ws);
    OK(tw_server_close(server, 0));
    CHECK_STATUS(TW_EHANDLE, tw_server_close(server, 0));
    CHECK_STATUS(TW_EHANDLE, tw_server_port(server, &port));
}

/* Each callback ends its own connection, by close and by abort. */
static void end_at_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)event;
    if (*(const char *)user == 'c') {
        OK(tw_close(ws, 4000, "at once"));
    } else {
        OK(tw_abort(ws));
    }
}

static void count_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user, (void)event;
    finished++;
}

static void wait_for(int count)
{
    double end = now_s() + 30 * slowness();

    while (finished < count) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, 100));
    }
}

static void ending_itself_in_a_callback(void)
{
    tw_events server_events = no_events(), events = no_events();
    char how[2] = {'c', 'a'};
    uint16_t port;
    tw_server server = listen_on(loop, &server_events, NULL, &port);
    tw_ws ws;

    events.on_open = end_at_open;
    events.on_close = count_close;
    connect_to(loop, port, &events, &how[0]);
    connect_to(loop, port, &events, &how[1]);
    wait_for(2);
    /* Before it is open. */
    ws = connect_to(loop, port, &events, &how[0]);
    OK(tw_close(ws, 1000, NULL));
    ws = connect_to(loop, port, &events, &how[0]);
    OK(tw_abort(ws));
    wait_for(4);
    /* Nobody listens. */
    OK(tw_server_close(server, 0));
    connect_to(loop, port, &events, &how[0]);
    wait_for(5);
}

/* A callback closes all others. */
static tw_ws many[8];

static void close_all(tw_ws ws, void *user, const tw_msg *message)
{
    size_t i;

    (void)ws, (void)user, (void)message;
    for (i = 0; i < sizeof many / sizeof *many; i++) {
        OK(i % 2 ? tw_close(many[i], 1000, NULL) : tw_abort(many[i]));
    }
}

static volatile int open_count;

static void count_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)ws, (void)user, (void)event;
    open_count++;
}

static void closing_others_in_a_callback(void)
{
    tw_events server_events = no_events(), events = no_events();
    uint16_t port;
    tw_server server;
    size_t i;

    server_events.on_message = echo;
    server = listen_on(loop, &server_events, NULL, &port);
    events.on_open = count_open;
    events.on_message = close_all;
    events.on_close = count_close;
    finished = 0;
    for (i = 0; i < sizeof many / sizeof *many; i++) {
        many[i] = connect_to(loop, port, &events, NULL);
    }
    while (open_count < 8) {
        OK(tw_loop_poll(loop, 100));
    }
    OK(tw_send(many[3], TW_TEXT, "go", 2));
    wait_for(8);
    OK(tw_server_close(server, 0));
}

static tw_ws accepted;

static void remember(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)user, (void)event;
    accepted = ws;
}

/* A peer that does not read: the queue has an end. */
static void sending_without_end(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static char block[1 << 20];
    tw_events events = no_events();
    size_t taken = 0;
    uint16_t port;
    tw_server server;
    tw_status status;
    int fd;

    events.on_open = remember;
    accepted = 0;
    server = listen_on(loop, &events, NULL, &port);
    fd = dial(port);
    CHECK(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0);
    while (!accepted) {
        OK(tw_loop_poll(loop, 100));
    }
    while ((status = tw_send(accepted, TW_BINARY, block, sizeof block)) == TW_OK) {
        taken += sizeof block;
        CHECK(taken < (size_t)256 << 20);
    }
    CHECK_STATUS(TW_EAGAIN, status);
    CHECK(tw_buffered_amount(accepted) >= (uint64_t)16 << 20);
    OK(tw_abort(accepted));
    close(fd);
    OK(tw_server_close(server, 0));
}

static int warnings, records;

static void count_warnings(void *user, int32_t level, const char *text, size_t len)
{
    (void)user;
    CHECK(strlen(text) == len);
    records++;
    warnings += level == TW_LOG_WARN && strstr(text, "messages are dropped") != NULL;
}

static void send_twice(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)user, (void)event;
    OK(tw_send(ws, TW_TEXT, "one", 3));
    OK(tw_send(ws, TW_TEXT, "two", 3));
    OK(tw_close(ws, 1000, NULL));
}

/* A server that hears nothing says so once, however many messages are lost on however many connections. */
static void messages_without_a_callback(void)
{
    tw_loop_opts options = {.size = sizeof options, .on_log = count_warnings};
    tw_events serving = no_events(), asking = no_events();
    uint16_t port;
    tw_loop logged;
    int i;

    OK(tw_loop_new(&options, &logged, NULL));
    listen_on(logged, &serving, NULL, &port);
    asking.on_open = send_twice;
    asking.on_close = count_close;
    finished = 0;
    for (i = 0; i < 3; i++) {
        double end = now_s() + 30 * slowness();

        connect_to(logged, port, &asking, NULL);
        while (finished <= i) {
            CHECK(now_s() < end);
            OK(tw_loop_poll(logged, 100));
        }
        CHECK(warnings == 1);
    }
    OK(tw_loop_free(logged, 0));
    CHECK(warnings == 1 && records == 1);
}

static void after_the_loop_is_gone(void)
{
    tw_events server_events = no_events(), events = no_events();
    uint16_t port;
    tw_server server;
    tw_ws ws;
    tw_loop old = loop;
    int i;

    server_events.on_open = remember;
    accepted = 0;
    server = listen_on(loop, &server_events, NULL, &port);
    events.on_close = count_close;
    ws = connect_to(loop, port, &events, NULL);
    while (!accepted) {
        OK(tw_loop_poll(loop, 100));
    }
    finished = 0;
    OK(tw_loop_free(loop, 1000));
    CHECK(finished == 1);
    CHECK_STATUS(TW_EHANDLE, tw_loop_free(old, 0));
    CHECK_STATUS(TW_EHANDLE, tw_loop_run(old));
    CHECK_STATUS(TW_EHANDLE, tw_loop_poll(old, 0));
    CHECK_STATUS(TW_EHANDLE, tw_loop_start(old));
    CHECK_STATUS(TW_EHANDLE, tw_loop_stop(old));
    CHECK_STATUS(TW_EHANDLE, tw_server_port(server, &port));
    a_dead_id_is_an_error_everywhere(ws);
    a_dead_id_is_an_error_everywhere(accepted);
    /* Also when every place for a loop was used again since. */
    for (i = 0; i < 1100; i++) {
        loop = new_loop();
        CHECK(loop != old);
        OK(tw_loop_free(loop, 0));
    }
    CHECK_STATUS(TW_EHANDLE, tw_loop_stop(old));
    a_dead_id_is_an_error_everywhere(ws);
}

int main(void)
{
    loop = new_loop();
    in_every_callback();
    ending_itself_in_a_callback();
    closing_others_in_a_callback();
    sending_without_end();
    messages_without_a_callback();
    after_the_loop_is_gone();
    puts("ok");
    return 0;
}
