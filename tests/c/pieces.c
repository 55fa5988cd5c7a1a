/* Messages in pieces: TW_MORE on the way out, on_chunk on the way in, buffers that are kept and sent. */
#include "check.h"

#define LONG 3000000

static unsigned char long_message[LONG];

struct seen {
    tw_ws server_ws;
    int opens, chunks, ends, closes, messages;
    size_t len;
    uint32_t kind;
    unsigned char bytes[LONG];
    tw_buf *kept;
};

static void note_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)opened;
    ((struct seen *)user)->server_ws = ws;
    ((struct seen *)user)->opens++;
}

static void on_chunk(tw_ws ws, void *user, const tw_msg *chunk)
{
    struct seen *seen = user;

    (void)ws;
    CHECK((chunk->offset == 0) == ((chunk->flags & TW_FIRST) != 0));
    if (chunk->flags & TW_FIRST) {
        seen->len = 0;
        seen->kind = chunk->flags & (TW_TEXT | TW_BINARY);
    }
    CHECK(seen->kind == (chunk->flags & (TW_TEXT | TW_BINARY)));
    CHECK(chunk->offset == seen->len && seen->len + chunk->len <= LONG);
    memcpy(seen->bytes + seen->len, chunk->data, chunk->len);
    seen->len += chunk->len;
    seen->chunks++;
    seen->ends += !(chunk->flags & TW_MORE);
}

static void never(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user, (void)message;
    CHECK(!"on_message is called beside on_chunk");
}

static void note_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)closed;
    ((struct seen *)user)->closes++;
}

static void keep(tw_ws ws, void *user, const tw_msg *message)
{
    struct seen *seen = user;
    tw_buf *again = tw_buf_keep(message);
    size_t len;

    (void)ws;
    seen->kept = tw_buf_keep(message);
    CHECK(memcmp(tw_buf_data(again, &len), message->data, message->len) == 0 && len == message->len);
    tw_buf_unref(again);
    seen->messages++;
}

static void parts(tw_loop loop, tw_ws ws, struct seen *seen)
{
    size_t at;

    CHECK_STATUS(TW_ESTATE, tw_send(ws, TW_MORE, "x", 1));
    CHECK_STATUS(TW_ESTATE, tw_send(ws, 0, "x", 1));
    OK(tw_send(ws, TW_TEXT | TW_MORE, "a\xe2\x82", 3));
    CHECK_STATUS(TW_EBUSY, tw_send(ws, TW_TEXT, "x", 1));
    CHECK_STATUS(TW_EBUSY, tw_send(ws, TW_BINARY | TW_MORE, "x", 1));
    CHECK_STATUS(TW_EUTF8, tw_send(ws, 0, "", 0));
    CHECK_STATUS(TW_EUTF8, tw_send(ws, TW_MORE, "\xff", 1));
    OK(tw_ping(ws, "amid", 4));
    OK(tw_send(ws, 0, "\xac", 1));
    poll_until(loop, &seen->ends);
    CHECK(seen->kind == TW_TEXT && seen->len == 4 && memcmp(seen->bytes, "a\xe2\x82\xac", 4) == 0);

    seen->ends = seen->chunks = 0;
    for (at = 0; at < LONG; at += LONG / 10) {
        uint32_t kind = at == 0 ? TW_BINARY : 0, more = at + LONG / 10 < LONG ? TW_MORE : 0;
        tw_status status;

        while ((status = tw_send(ws, kind | more, long_message + at, LONG / 10)) == TW_EAGAIN) {
            OK(tw_loop_poll(loop, 100));
        }
        OK(status);
    }
    poll_until(loop, &seen->ends);
    CHECK(seen->len == LONG && memcmp(seen->bytes, long_message, LONG) == 0 && seen->chunks > 10);

    seen->ends = seen->chunks = 0;
    OK(tw_send(ws, TW_BINARY, long_message, LONG));
    poll_until(loop, &seen->ends);
    CHECK(seen->len == LONG && memcmp(seen->bytes, long_message, LONG) == 0 && seen->chunks > 10);
    seen->ends = 0;
    OK(tw_send(ws, TW_TEXT, "", 0));
    poll_until(loop, &seen->ends);
    CHECK(seen->len == 0 && seen->kind == TW_TEXT);
}

static void *send_from_outside(void *user)
{
    tw_ws ws = *(tw_ws *)user;

    OK(tw_send(ws, TW_TEXT | TW_MORE, "from ", 5));
    CHECK_STATUS(TW_EBUSY, tw_send(ws, TW_TEXT, "x", 1));
    CHECK_STATUS(TW_EUTF8, tw_send(ws, 0, "\xff", 1));
    OK(tw_send(ws, TW_MORE, "out", 3));
    OK(tw_send(ws, 0, "side", 4));
    CHECK_STATUS(TW_ESTATE, tw_send(ws, 0, "side", 4));
    return NULL;
}

/* A thread sends while another one is in the loop. */
static void from_outside(tw_loop loop, tw_ws ws, struct seen *seen)
{
    pthread_t thread;

    seen->ends = 0;
    CHECK(pthread_create(&thread, NULL, send_from_outside, &ws) == 0);
    poll_until(loop, &seen->ends);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(seen->len == 12 && memcmp(seen->bytes, "from outside", 12) == 0);
}

static void buffers(tw_loop loop, tw_ws ws, struct seen *client, struct seen *server)
{
    static const size_t sizes[] = {0, 5, 20000, 200000, LONG};
    tw_buf *made;
    size_t at, len;

    CHECK(tw_buf_keep(NULL) == NULL && tw_buf_data(NULL, NULL) == NULL && tw_buf_ref(NULL) == NULL);
    tw_buf_unref(NULL);
    CHECK_STATUS(TW_EINVAL, tw_send_buf(ws, TW_BINARY, NULL));
    CHECK(tw_buf_new((size_t)-1) == NULL);
    for (at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        made = tw_buf_new(sizes[at]);
        memcpy(tw_buf_data(made, NULL), long_message, sizes[at]);
        CHECK_STATUS(TW_EHANDLE, tw_send_buf(0, TW_BINARY, made));
        client->messages = 0;
        /* The server sends it; the client keeps it. */
        OK(tw_send_buf(server->server_ws, TW_BINARY, tw_buf_ref(made)));
        poll_until(loop, &client->messages);
        CHECK(memcmp(tw_buf_data(client->kept, &len), long_message, sizes[at]) == 0 && len == sizes[at]);
        server->ends = 0;
        OK(tw_send_buf(ws, TW_BINARY, client->kept));
        poll_until(loop, &server->ends);
        CHECK(server->len == sizes[at] && memcmp(server->bytes, long_message, server->len) == 0);
        CHECK(tw_buf_data(made, &len) != NULL && len == sizes[at]);
        tw_buf_unref(made);
    }
}

int main(void)
{
    static struct seen client, server;
    tw_events serving = no_events(), asking = no_events();
    tw_loop loop = new_loop();
    uint16_t port;
    size_t at;
    tw_ws ws;

    for (at = 0; at < LONG; at++) {
        long_message[at] = (unsigned char)(at * 7 % 251);
    }
    serving.on_open = note_open;
    serving.on_chunk = on_chunk;
    serving.on_message = never;
    serving.on_close = note_close;
    asking.on_open = note_open;
    asking.on_message = keep;
    listen_on(loop, &serving, &server, &port);
    ws = connect_to(loop, port, &asking, &client);
    poll_until(loop, &client.opens);
    poll_until(loop, &server.opens);
    parts(loop, ws, &server);
    from_outside(loop, ws, &server);
    buffers(loop, ws, &client, &server);
    OK(tw_close(ws, 1000, NULL));
    poll_until(loop, &server.closes);
    OK(tw_loop_free(loop, 0));
    return 0;
}
