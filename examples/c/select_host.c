/* tightwire inside somebody else's loop: one descriptor to watch, no timer to manage. Reads lines from
 * the terminal, sends each one, prints what comes back.
 *
 *   cc select_host.c -ltightwire -o select_host && ./select_host ws://127.0.0.1:9001
 */
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <tightwire.h>
#include <unistd.h>

static int done;

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user;
    printf("< %.*s\n", (int)message->len, (const char *)message->data);
    fflush(stdout);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    printf("closed: %d %s\n", closed->code, closed->error ? closed->error->text : "");
    done = 1;
}

/* A line of the terminal is a message; its end closes. */
static void forward_line(tw_ws ws)
{
    char line[1024];
    ssize_t len = read(STDIN_FILENO, line, sizeof line);

    if (len <= 0) {
        tw_close(ws, 1000, "end of input");
    } else if (tw_send(ws, TW_TEXT, line, (size_t)len - (line[len - 1] == '\n')) != TW_OK) {
        printf("not sent\n");
    }
}

int main(int argc, char **argv)
{
    tw_events events = {.size = sizeof events};
    tw_client_opts options = {.size = sizeof options};
    tw_loop loop;
    tw_ws ws;
    tw_error error;
    intptr_t watched;

    events.on_message = on_message;
    events.on_close = on_close;
    options.url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    options.events = &events;
    if (tw_loop_new(NULL, &loop, &error) || tw_connect(loop, &options, &ws, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_loop_fd(loop, &watched);
    while (!done) {
        fd_set readable;

        FD_ZERO(&readable);
        FD_SET((int)watched, &readable);
        if (tw_ready_state(ws) == 1) {
            FD_SET(STDIN_FILENO, &readable);
        }
        select((int)watched + 1, &readable, NULL, NULL, NULL);
        if (FD_ISSET(STDIN_FILENO, &readable)) {
            forward_line(ws);
        }
        if (FD_ISSET((int)watched, &readable)) {
            tw_loop_poll(loop, 0);
        }
    }
    return tw_loop_free(loop, 0);
}
