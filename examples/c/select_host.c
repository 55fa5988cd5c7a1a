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

/* Each line is a message; the end of input closes. */
static void forward_lines(tw_ws ws)
{
    char lines[1024], *at, *end;
    int len = (int)read(STDIN_FILENO, lines, sizeof lines);

    if (len <= 0) {
        tw_close(ws, 1000, "end of input");
        return;
    }
    for (at = lines; at < lines + len; at = end + 1) {
        end = memchr(at, '\n', (size_t)(lines + len - at));
        if (end == NULL) {
            end = lines + len;
        }
        if (tw_send(ws, TW_TEXT, at, (size_t)(end - at)) != TW_OK) {
            printf("not sent\n");
        }
    }
}

int main(int argc, char **argv)
{
    tw_events events;
    tw_client_opts options;
    tw_loop loop;
    tw_ws ws;
    tw_error error;
    intptr_t watched;

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
        if (select((int)watched + 1, &readable, NULL, NULL, NULL) < 0) {
            continue; /* a signal; the sets say nothing */
        }
        if (FD_ISSET(STDIN_FILENO, &readable)) {
            forward_lines(ws);
        }
        if (FD_ISSET((int)watched, &readable)) {
            tw_loop_poll(loop, 0);
        }
    }
    return tw_loop_free(loop, 0);
}
