/* A send that returned before another one began goes out first, on whatever threads: tickets that threads hand to each
 * other come in their order. And a pause from another thread lets at most the running callback end. */
#include <stdatomic.h>

#include "check.h"

#define THREADS 4

static int tickets = 500;
static tw_loop loop;
static tw_ws client;
static _Atomic int opens, next_ticket, turn, received, closes, others;

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)user, (void)opened;
    opens++;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    CHECK(closed->clean);
    closes++;
}

/* The server's side: each ticket is the next one. */
static void take(tw_ws ws, void *user, const tw_msg *message)
{
    int ticket;

    (void)ws, (void)user;
    CHECK(message->len == sizeof ticket);
    memcpy(&ticket, message->data, sizeof ticket);
    if (ticket != received) {
        fprintf(stderr, "ticket %d came in the place of %d\n", ticket, received);
        exit(1);
    }
    received++;
}

/* Sends the next ticket if it is this one's turn; what is stored afterwards is seen by whoever sends next. */
static int send_one(int me)
{
    tw_status status;
    int ticket;

    if (turn != me) {
        return 0;
    }
    ticket = next_ticket;
    if (ticket >= tickets) {
        return 0;
    }
    do {
        status = tw_send(client, TW_BINARY, &ticket, sizeof ticket);
    } while (status == TW_EAGAIN);
    OK(status);
    next_ticket = ticket + 1;
    turn = (me + 1 + ticket % 2) % (THREADS + 1);
    return 1;
}

static void *send_tickets(void *user)
{
    int me = *(int *)user;

    while (next_ticket < tickets) {
        if (!send_one(me)) {
            sched_yield();
        }
    }
    return NULL;
}

/* The last sender is the loop's own thread, in a callback. */
static void from_the_loop(void *user)
{
    send_one(THREADS);
    if (next_ticket < tickets) {
        OK(tw_post(loop, from_the_loop, user));
    }
}

static void until(_Atomic int *value, int at_least)
{
    double end = now_s() + 60 * slowness();

    while (*value < at_least) {
        CHECK(now_s() < end);
        sched_yield();
    }
}

static void tickets_come_in_their_order(void)
{
    pthread_t threads[THREADS];
    int names[THREADS], at;

    OK(tw_post(loop, from_the_loop, NULL));
    for (at = 0; at < THREADS; at++) {
        names[at] = at;
        CHECK(pthread_create(&threads[at], NULL, send_tickets, &names[at]) == 0);
    }
    for (at = 0; at < THREADS; at++) {
        CHECK(pthread_join(threads[at], NULL) == 0);
    }
    until(&received, tickets);
}

/* ---- pausing --------------------------------------------------------------------------------- */

static tw_ws flooded;
static _Atomic int heard, entered, may_go_on;

static void flood_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    flooded = ws;
    opens++;
}

/* The first callback runs while another thread pauses. */
static void hear(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user, (void)message;
    if (heard++ == 0) {
        entered = 1;
        until(&may_go_on, 1);
    }
}

/* All at once, so that they arrive together. */
static void flood(void *user)
{
    int at;

    for (at = 0; at < 100; at++) {
        OK(tw_send(*(tw_ws *)user, TW_BINARY, "x", 1));
    }
}

static void count(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user, (void)message;
    others++;
}

static void a_pause_lets_only_the_running_callback_end(void)
{
    tw_events serving = no_events(), asking = no_events(), quiet = no_events();
    uint16_t port;
    tw_ws sender, witness;
    int at;

    opens = 0;
    serving.on_open = flood_open;
    serving.on_message = hear;
    asking.on_open = on_open;
    listen_on(loop, &serving, NULL, &port);
    sender = connect_to(loop, port, &asking, NULL);
    until(&opens, 2);
    OK(tw_post(loop, flood, &sender));
    until(&entered, 1);
    OK(tw_pause(flooded));
    may_go_on = 1;
    /* Another connection of the loop lives on meanwhile: its round trips prove that turns are made. */
    quiet.on_message = count;
    quiet.on_open = on_open;
    serving = no_events();
    serving.on_message = echo;
    listen_on(loop, &serving, NULL, &port);
    opens = 0;
    witness = connect_to(loop, port, &quiet, NULL);
    until(&opens, 1);
    for (at = 0; at < 20; at++) {
        OK(tw_send(witness, TW_BINARY, "x", 1));
        until(&others, at + 1);
    }
    CHECK(heard == 1);
    OK(tw_resume(flooded));
    until(&heard, 100);
}

int main(void)
{
    tw_events serving = no_events(), asking = no_events();
    uint16_t port;

    if (slowness() > 1) {
        tickets = 200;
    }
    loop = new_loop();
    OK(tw_loop_start(loop));
    serving.on_message = take;
    serving.on_open = on_open;
    asking.on_open = on_open;
    asking.on_close = on_close;
    listen_on(loop, &serving, NULL, &port);
    client = connect_to(loop, port, &asking, NULL);
    until(&opens, 2);
    tickets_come_in_their_order();
    OK(tw_close(client, 1000, NULL));
    until(&closes, 1);
    a_pause_lets_only_the_running_callback_end();
    OK(tw_loop_free(loop, 0));
    return 0;
}
