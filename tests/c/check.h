/* What the C tests share: assertions, a server in a thread, raw TCP. Included once by each program. */
#ifndef CHECK_H
#define CHECK_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <tightwire.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) check_that((condition) != 0, #condition, __FILE__, __LINE__)
#define CHECK_STATUS(expected, call) check_status((expected), (call), #call, __FILE__, __LINE__)
#define OK(call) CHECK_STATUS(TW_OK, call)

static inline void check_that(int holds, const char *what, const char *file, int line)
{
    if (!holds) {
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
        exit(1);
    }
}

static inline void check_status(tw_status expected, tw_status got, const char *what, const char *file, int line)
{
    if (expected != got) {
        fprintf(stderr, "%s:%d: %s gave %d (%s), not %d\n", file, line, what, got, tw_strerror(got), expected);
        exit(1);
    }
}

static inline double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* How many times slower things may be: valgrind sets CHECK_SLOW. */
static inline double slowness(void)
{
    const char *slow = getenv("CHECK_SLOW");

    return slow ? atof(slow) : 1;
}

static inline tw_events no_events(void)
{
    tw_events events;

    memset(&events, 0, sizeof events);
    events.size = sizeof events;
    return events;
}

static inline tw_loop new_loop(void)
{
    tw_loop loop = 0;

    OK(tw_loop_new(NULL, &loop, NULL));
    return loop;
}

static inline tw_server listen_on(tw_loop loop, const tw_events *events, void *user, uint16_t *port)
{
    tw_server_opts options;
    tw_server server = 0;
    tw_error error;
    tw_status status;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.listen = "ws://127.0.0.1:0";
    options.events = events;
    options.user = user;
    status = tw_listen(loop, &options, &server, &error);
    if (status) {
        fprintf(stderr, "%s\n", error.text);
    }
    OK(status);
    OK(tw_server_port(server, port));
    return server;
}

static inline tw_ws connect_to(tw_loop loop, uint16_t port, const tw_events *events, void *user)
{
    tw_client_opts options;
    tw_error error;
    tw_ws ws = 0;
    char url[64];
    tw_status status;

    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", port);
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.url = url;
    options.events = events;
    options.user = user;
    status = tw_connect(loop, &options, &ws, &error);
    if (status) {
        fprintf(stderr, "%s\n", error.text);
    }
    OK(status);
    CHECK(ws != 0);
    return ws;
}

/* Polls until `*flag`, for 30 s at most. */
static inline void poll_until(tw_loop loop, const volatile int *flag)
{
    double end = now_s() + 30 * slowness();

    while (!*flag) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, 100));
    }
}

/* Ends a forked child in the place of another program. It has the memory of threads and frames that it has not, which
 * tools that look for leaks would find at its exit. */
static inline void end_child(int failed)
{
    execl("/bin/sh", "sh", "-c", failed ? "exit 1" : "exit 0", (char *)NULL);
    _exit(1);
}

static inline void echo(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    tw_send(ws, message->flags, message->data, message->len);
}

/* A TCP connection to a port of this machine. */
static inline int dial(uint16_t port)
{
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* Sends a request for a WebSocket and reads the answer's head. */
static inline void upgrade(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    char head[2048];
    size_t have = 0;

    CHECK(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1);
    do {
        ssize_t got = recv(fd, head + have, 1, 0);

        CHECK(got == 1 && have < sizeof head - 1);
        have++;
    } while (have < 4 || memcmp(head + have - 4, "\r\n\r\n", 4) != 0);
    CHECK(memcmp(head, "HTTP/1.1 101", 12) == 0);
}

#endif
