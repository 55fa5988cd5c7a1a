/* A server inside a poll() loop that has descriptors of its own: every line of standard input goes to all clients,
 * and what a client says is printed.
 *
 *   cc poll_host.c $(pkg-config --cflags --libs tightwire) -o poll_host
 *   ./poll_host ws://127.0.0.1:9001
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tightwire.h>

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)user;
    printf("+ %s\n", opened->remote.ptr);
    fflush(stdout);
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user;
    printf("< %.*s\n", (int)message->len, (const char *)message->data);
    fflush(stdout);
}

/* 0 at the end of input. */
static int pass_on(tw_server server)
{
    char lines[1024], *at, *end;
    ssize_t len = read(STDIN_FILENO, lines, sizeof lines);
    size_t receivers;

    for (at = lines; at < lines + len; at = end + 1) {
        end = memchr(at, '\n', (size_t)(lines + len - at));
        if (end == NULL) {
            end = lines + len;
        }
        if (tw_broadcast(server, TW_TEXT, at, (size_t)(end - at), &receivers) == TW_OK) {
            printf("> %u\n", (unsigned)receivers);
            fflush(stdout);
        }
    }
    return len > 0;
}

int main(int argc, char **argv)
{
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_message = on_message};
    tw_server_opts options = {.size = sizeof options, .events = &events};
    struct pollfd watched[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
    tw_loop loop;
    tw_server server;
    tw_error error;
    intptr_t fd;
    uint16_t port;
    int more = 1;

    options.listen = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    if (tw_loop_new(NULL, &loop, &error) || tw_listen(loop, &options, &server, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_server_port(server, &port);
    printf("port %u\n", port);
    fflush(stdout);
    tw_loop_fd(loop, &fd);
    watched[1].fd = (int)fd;
    while (more) {
        if (poll(watched, 2, -1) < 0) {
            continue; /* a signal */
        }
        if (watched[0].revents) {
            more = pass_on(server);
        }
        if (watched[1].revents) {
            tw_loop_poll(loop, 0);
        }
    }
    /* Says goodbye with 1001, and waits a second for the answers. */
    return tw_loop_free(loop, 1000);
}
