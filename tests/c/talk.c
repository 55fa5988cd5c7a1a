/* A client driven by lines on standard input; see tests/README.md. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>
#include <time.h>
#include <unistd.h>

#define MAX_LIST 32
#define MAX_WAIT 30.0

enum { MESSAGE, PING, PONG, KINDS };

static struct {
    tw_ws ws;
    int opened, closed, closing;
    long seen[KINDS], wanted[KINDS];
} talk;

static void print_json(const char *text, size_t len)
{
    size_t i;

    putchar('"');
    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void end_event(void)
{
    puts("}");
    fflush(stdout);
}

static void field(const char *name, const char *text, size_t len)
{
    printf(",\"%s\":", name);
    print_json(text, len);
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)user;
    talk.opened = 1;
    printf("{\"event\":\"open\"");
    field("protocol", opened->protocol.ptr, opened->protocol.len);
    field("extensions", opened->extensions.ptr, opened->extensions.len);
    end_event();
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user;
    talk.seen[MESSAGE]++;
    if (message->flags & TW_TEXT) {
        printf("{\"event\":\"text\"");
        field("data", message->data, message->len);
    } else {
        const unsigned char *bytes = message->data;
        size_t i = 0;

        while (i < message->len && bytes[i] == i % 251) {
            i++;
        }
        printf("{\"event\":\"binary\",\"len\":%lu,\"pattern\":%s", (unsigned long)message->len,
               i == message->len ? "true" : "false");
    }
    end_event();
}

static void on_ping(tw_ws ws, void *user, const tw_msg *ping)
{
    (void)ws, (void)user;
    talk.seen[PING]++;
    printf("{\"event\":\"ping\"");
    field("data", ping->data, ping->len);
    end_event();
}

static void on_pong(tw_ws ws, void *user, const tw_msg *pong)
{
    (void)ws, (void)user;
    talk.seen[PONG]++;
    printf("{\"event\":\"pong\"");
    field("data", pong->data, pong->len);
    end_event();
}

static void on_error(tw_ws ws, void *user, const tw_error *error)
{
    (void)ws, (void)user;
    printf("{\"event\":\"error\"");
    field("phase", error->text, strcspn(error->text, ":"));
    printf(",\"code\":%d", error->code);
    field("text", error->text, strlen(error->text));
    end_event();
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    talk.closed = 1;
    printf("{\"event\":\"close\",\"code\":%d", closed->code);
    field("reason", closed->reason.ptr, closed->reason.len);
    printf(",\"clean\":%s", closed->clean ? "true" : "false");
    end_event();
}

static void rejected(const char *command, const char *text)
{
    printf("{\"event\":\"rejected\"");
    field("command", command, strlen(command));
    field("text", text, strlen(text));
    end_event();
}

static tw_status send_pattern(size_t len)
{
    unsigned char *bytes = malloc(len ? len : 1);
    tw_status status;
    size_t i;

    if (!bytes) {
        return TW_ENOMEM;
    }
    for (i = 0; i < len; i++) {
        bytes[i] = (unsigned char)(i % 251);
    }
    status = tw_send(talk.ws, TW_BINARY, bytes, len);
    free(bytes);
    return status;
}

static tw_status close_with(char *rest)
{
    char *reason = strchr(rest, ' ');
    tw_status status;

    if (reason) {
        *reason++ = 0;
    }
    status = tw_close(talk.ws, atoi(rest), reason);
    talk.closing |= status == TW_OK;
    return status;
}

/* Whether the next command may be carried out; `waiting` names the kind of a wait, or -1 for close. */
static int is_satisfied(int waiting)
{
    if (!talk.opened) {
        return 0;
    }
    return waiting < KINDS ? waiting >= 0 && talk.seen[waiting] >= talk.wanted[waiting] : 1;
}

/* Carries a command out. Returns what to wait for before the next: a kind, -1 for close, KINDS for
 * nothing. */
static int carry_out(char *line)
{
    static const char *const kinds[KINDS] = {"message", "ping", "pong"};
    char *rest = strchr(line, ' ');
    tw_status status = TW_OK;
    int kind;

    if (rest) {
        *rest++ = 0;
    } else {
        rest = line + strlen(line);
    }
    if (strcmp(line, "text") == 0) {
        status = tw_send(talk.ws, TW_TEXT, rest, strlen(rest));
    } else if (strcmp(line, "binary") == 0) {
        status = send_pattern((size_t)strtoul(rest, NULL, 10));
    } else if (strcmp(line, "ping") == 0) {
        status = tw_ping(talk.ws, rest, strlen(rest));
    } else if (strcmp(line, "close") == 0) {
        status = close_with(rest);
    } else if (strcmp(line, "abort") == 0) {
        talk.closing = 1;
        status = tw_abort(talk.ws);
    } else if (strcmp(line, "wait") == 0 && strcmp(rest, "close") == 0) {
        return -1;
    } else if (strcmp(line, "wait") == 0) {
        for (kind = 0; kind < KINDS; kind++) {
            if (strcmp(rest, kinds[kind]) == 0) {
                talk.wanted[kind]++;
                return kind;
            }
        }
        rejected(line, "wait for message, ping, pong or close");
    } else if (*line) {
        rejected(line, "no such command");
    }
    if (status) {
        rejected(line, tw_strerror(status));
    }
    return KINDS;
}

/* The next line of standard input, without its end; NULL if it has not come yet. */
struct input {
    char *bytes;
    size_t len, capacity;
    int ended;
};

static void read_more(struct input *input)
{
    ssize_t got;

    if (input->capacity - input->len < 4096) {
        input->capacity = input->capacity * 2 + 8192;
        input->bytes = realloc(input->bytes, input->capacity);
        if (!input->bytes) {
            abort();
        }
    }
    got = read(STDIN_FILENO, input->bytes + input->len, input->capacity - input->len - 1);
    if (got > 0) {
        input->len += (size_t)got;
    } else if (got == 0 || errno != EINTR) {
        input->ended = 1;
    }
}

static char *take_line(struct input *input, size_t *used)
{
    char *end = input->len ? memchr(input->bytes, '\n', input->len) : NULL;

    if (end) {
        *used = (size_t)(end - input->bytes) + 1;
    } else if (input->ended && input->len) {
        end = input->bytes + input->len;
        *used = input->len;
    } else {
        return NULL;
    }
    *end = 0;
    return input->bytes;
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Everything between the open and the close event. */
static int converse(tw_loop loop)
{
    struct input input = {NULL, 0, 0, 0};
    struct pollfd watched[2];
    double since = now_s();
    int waiting = KINDS, result = 0;
    intptr_t fd;

    tw_loop_fd(loop, &fd);
    while (!talk.closed) {
        size_t used = 0;
        char *line = is_satisfied(waiting) ? take_line(&input, &used) : NULL;
        int wants_input;

        if (line) {
            waiting = carry_out(line);
            input.len -= used;
            memmove(input.bytes, input.bytes + used, input.len);
            since = now_s();
            continue;
        }
        if (is_satisfied(waiting) && input.ended) {
            if (!talk.closing) {
                tw_close(talk.ws, 1000, NULL);
                talk.closing = 1;
            }
            waiting = -1;
            since = now_s();
        }
        if (!is_satisfied(waiting) && now_s() - since > MAX_WAIT) {
            result = 3;
            break;
        }
        wants_input = is_satisfied(waiting) && !input.ended;
        watched[0].fd = (int)fd;
        watched[1].fd = wants_input ? STDIN_FILENO : -1;
        watched[0].events = watched[1].events = POLLIN;
        watched[0].revents = watched[1].revents = 0;
        poll(watched, 2, 1000);
        if (watched[1].revents) {
            read_more(&input);
        }
        if (watched[0].revents) {
            tw_loop_poll(loop, 0);
        }
    }
    free(input.bytes);
    return result;
}

static int usage(const char *what)
{
    fprintf(stderr, "talk-c: %s\n", what);
    return 2;
}

struct settings {
    const char *url, *name, *ca, *proxy;
    uint32_t flags;
    const char *protocols[MAX_LIST + 1], *headers[MAX_LIST + 1];
    uint32_t tls_flags;
};

static int read_arguments(int argc, char **argv, struct settings *settings)
{
    size_t protocols = 0, headers = 0;
    int i;

    for (i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(option, "--insecure") == 0) {
            settings->tls_flags |= TW_TLS_DANGER_NO_VERIFY;
            continue;
        }
        if (strcmp(option, "--proxy-from-env") == 0) {
            settings->flags |= TW_CLIENT_PROXY_FROM_ENV;
            continue;
        }
        if (strncmp(option, "--", 2) != 0) {
            settings->url = option;
            continue;
        }
        if (!value) {
            return usage("an option lacks its value");
        }
        i++;
        if (strcmp(option, "--ca") == 0) {
            settings->ca = value;
            settings->tls_flags |= TW_TLS_ONLY_THESE_CAS;
        } else if (strcmp(option, "--proxy") == 0) {
            settings->proxy = value;
        } else if (strcmp(option, "--name") == 0) {
            settings->name = value;
        } else if (strcmp(option, "--protocol") == 0 && protocols < MAX_LIST) {
            settings->protocols[protocols++] = value;
        } else if (strcmp(option, "--header") == 0 && headers < MAX_LIST) {
            settings->headers[headers++] = value;
        } else {
            return usage("unknown option");
        }
    }
    return settings->url ? 0 : usage("the URL is missing");
}

int main(int argc, char **argv)
{
    struct settings settings = {.url = NULL};
    tw_events events = {.size = sizeof events};
    tw_client_opts options = {.size = sizeof options, .events = &events};
    tw_tls_opts trust = {.size = sizeof trust};
    tw_error error;
    tw_loop loop;
    int result;

    if (read_arguments(argc, argv, &settings)) {
        return 2;
    }
    events.on_open = on_open;
    events.on_message = on_message;
    events.on_ping = on_ping;
    events.on_pong = on_pong;
    events.on_error = on_error;
    events.on_close = on_close;
    trust.ca_file = settings.ca;
    trust.flags = settings.tls_flags;
    options.url = settings.url;
    options.tls_name = settings.name;
    options.proxy = settings.proxy;
    options.flags = settings.flags;
    options.protocols = settings.protocols;
    options.headers = settings.headers;
    if (trust.flags && tw_tls_new(&trust, &options.tls, &error)) {
        rejected("connect", error.text);
        return 2;
    }
    options.proxy_tls = options.tls;
    if (tw_loop_new(NULL, &loop, &error) || tw_connect(loop, &options, &talk.ws, &error)) {
        rejected("connect", error.text);
        return 2;
    }
    result = converse(loop);
    tw_loop_free(loop, 0);
    if (options.tls) {
        tw_tls_free(options.tls);
    }
    return result;
}
