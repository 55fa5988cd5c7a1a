/* Payloads that outlive their callback, and one payload for two connections. */
#include "setup.h"

static int opened, kept;

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)ws, (void)user, (void)event;
    opened++;
}

/* example: tw_buf_keep tw_buf_data tw_buf_unref */
static tw_buf *last;

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user;
    tw_buf_unref(last); /* NULL at first, which is fine */
    last = tw_buf_keep(message);
    kept++;
}
/* end */

/* example: tw_buf_new tw_send_buf tw_buf_ref */
/* One payload for two connections. A send that succeeds takes a reference. */
static void send_both(tw_ws first, tw_ws second, const void *data, size_t len)
{
    tw_buf *payload = tw_buf_new(len);

    if (payload == NULL)
        return;
    memcpy(tw_buf_data(payload, NULL), data, len);
    if (tw_send_buf(first, TW_BINARY, tw_buf_ref(payload)) != TW_OK)
        tw_buf_unref(payload); /* not taken */
    if (tw_send_buf(second, TW_BINARY, payload) != TW_OK)
        tw_buf_unref(payload);
}
/* end */

int main(void)
{
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_message = on_message};
    static char block[100000];
    tw_loop loop;
    tw_ws first, second;
    size_t len;
    char url[64];

    need(tw_loop_new(NULL, &loop, NULL));
    serve_echo(loop, url);
    first = join(loop, url, &events, NULL);
    second = join(loop, url, &events, NULL);
    while (opened < 2)
        need(tw_loop_poll(loop, 1000));
    memset(block, 'x', sizeof block);
    send_both(first, second, block, sizeof block);
    while (kept < 2)
        need(tw_loop_poll(loop, 1000));
    need(tw_loop_free(loop, 0));
    /* example: tw_buf_data tw_buf_unref */
    /* The loop is gone; the bytes are there. */
    if (memcmp(tw_buf_data(last, &len), block, sizeof block) == 0)
        printf("kept %zu bytes\n", len);
    tw_buf_unref(last);
    /* end */
    return len == sizeof block ? 0 : 1;
}
