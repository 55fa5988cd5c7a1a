/* A fork amid a callback: in the child every call says so, and freeing the loop disturbs nobody. */
#include <sys/wait.h>

#include "check.h"

struct talk {
    tw_loop loop;
    tw_ws ws;
    int messages, closes;
};

/* In the child. */
static int orphaned(const struct talk *talk)
{
    int wrong = 0;
    uint16_t port;

    wrong += tw_send(talk->ws, TW_TEXT, "from the child", 14) != TW_EFORKED;
    wrong += tw_ping(talk->ws, NULL, 0) != TW_EFORKED;
    wrong += tw_close(talk->ws, 1000, NULL) != TW_EFORKED;
    wrong += tw_abort(talk->ws) != TW_EFORKED;
    wrong += tw_detach(talk->ws) != TW_EFORKED;
    wrong += tw_accept(talk->ws, NULL, NULL, NULL, NULL) != TW_EFORKED;
    wrong += tw_reject(talk->ws, 403, NULL, NULL, 0) != TW_EFORKED;
    wrong += tw_server_port(talk->ws, &port) != TW_EHANDLE;
    wrong += tw_loop_poll(talk->loop, 0) != TW_EFORKED;
    wrong += tw_loop_stop(talk->loop) != TW_EFORKED;
    wrong += tw_ready_state(talk->ws) != 3;
    wrong += tw_loop_free(talk->loop, 1000) != TW_OK;
    wrong += tw_loop_free(talk->loop, 1000) != TW_EHANDLE;
    return wrong;
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct talk *talk = user;
    pid_t child;
    int status;

    (void)opened;
    talk->ws = ws;
    child = fork();
    if (child == 0) {
        _exit(orphaned(talk));
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(tw_send(ws, TW_TEXT, "still here", 10));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws;
    CHECK(message->len == 10 && memcmp(message->data, "still here", 10) == 0);
    ((struct talk *)user)->messages++;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws;
    CHECK(closed->clean);
    ((struct talk *)user)->closes++;
}

int main(void)
{
    tw_events serving = no_events(), asking = no_events();
    struct talk talk;
    uint16_t port;
    pid_t child;
    int status;

    memset(&talk, 0, sizeof talk);
    talk.loop = new_loop();
    serving.on_message = echo;
    asking.on_open = on_open;
    asking.on_message = on_message;
    asking.on_close = on_close;
    listen_on(talk.loop, &serving, NULL, &port);
    connect_to(talk.loop, port, &asking, &talk);
    poll_until(talk.loop, &talk.messages);
    OK(tw_close(talk.ws, 1000, NULL));
    poll_until(talk.loop, &talk.closes);

    /* A child may have loops of its own. */
    child = fork();
    if (child == 0) {
        tw_loop own;

        OK(tw_loop_new(NULL, &own, NULL));
        OK(tw_loop_poll(own, 0));
        CHECK_STATUS(TW_EFORKED, tw_loop_poll(talk.loop, 0));
        OK(tw_loop_free(own, 0));
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(tw_loop_free(talk.loop, 0));
    return 0;
}
