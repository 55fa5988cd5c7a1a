/* tightwire inside a select() loop of the old kind, in C89: one descriptor to watch, no timer to manage.
 * Reads lines from the terminal, sends each one, prints what comes back.
 *
 *   cc -std=c89 select_host.c $(pkg-config --cflags --libs tightwire) -o select_host
 *   ./select_host ws://127.0.0.1:9001
 */
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include <tightwire.h>

static int done;

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws;
    (void)user;
    printf("< %.*s\n", (int)message->len, (const char *)message->data);
    fflush(stdout);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws;
    (void)user;
    printf("closed: %d %s\n", closed->code, closed->error ? closed->error->text : "");
    done = 1;
}

/* A line of the terminal is a message; its end closes. */
static void forward_line(tw_ws ws)
{
    char line[1024];
    int len = (int)read(STDIN_FILENO, line, sizeof line);

    if (len <= 0) {
        tw_close(ws, 1000, "end of input");
        return;
    }
    if (line[len - 1] == '\n') {
        len--;
    }
    if (tw_send(ws, TW_TEXT, line, (size_t)len) != TW_OK) {
        printf("not sent\n");
    }
}

int main(int argc, char **argv)
{
    tw_events events;
    tw_client_opts options;
    tw_loop loop;
    tw_ws ws;
    tw_error error;
    ptrdiff_t watched;

    memset(&events, 0, sizeof events);
    events.size = sizeof events;
    events.on_message = on_message;
    events.on_close = on_close;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
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
