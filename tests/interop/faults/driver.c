/* One client connection in C: prints how it ended as one JSON object. See tests/README.md. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>
#include <time.h>

static const char *const fields[] = {"content-type", "location", "retry-after", "www-authenticate"};

/* More than all buffers between two ends take. */
#define FLOOD ((size_t)12 << 20)

struct run {
    tw_loop loop;
    const char *say;
    char *flood;
    int close_code, events;
};

static void string(const char *text, size_t len)
{
    size_t i;

    putchar('"');
    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void event(struct run *run, const char *name)
{
    printf("%s\"%s\"", run->events++ ? "," : "{\"events\":[", name);
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    struct run *run = user;

    (void)opened;
    event(run, "open");
    if (run->say) {
        tw_send(ws, TW_TEXT, run->say, strlen(run->say));
    }
    if (run->flood) {
        tw_send(ws, TW_BINARY | TW_NODEFLATE, run->flood, FLOOD);
    }
    if (run->close_code) {
        tw_close(ws, run->close_code, NULL);
    }
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws;
    (void)message;
    event(user, "message");
}

static void on_error(tw_ws ws, void *user, const tw_error *error)
{
    (void)ws;
    (void)error;
    event(user, "error");
}

static void print_http(const tw_close_ev *closed)
{
    size_t i;

    printf(",\"http\":");
    if (!closed->http_status) {
        printf("null");
        return;
    }
    printf("{\"status\":%d,\"reason\":", closed->http_status);
    string(closed->http_reason.ptr, closed->http_reason.len);
    printf(",\"body\":");
    string(closed->http_body, closed->http_body_len);
    for (i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t len = 0;
        const char *value = tw_header(closed->http_headers, fields[i], &len);

        if (value) {
            printf(",\"%s\":", fields[i]);
            string(value, len);
        }
    }
    putchar('}');
}

static void print_error(const tw_close_ev *closed)
{
    size_t i;

    printf(",\"error\":");
    if (!closed->error) {
        printf("null");
        return;
    }
    printf("{\"code\":%d,\"sys\":%d,\"phase\":", closed->error->code, closed->error->sys);
    string(closed->phase.ptr, closed->phase.len);
    printf(",\"kind\":");
    string(closed->error_kind.ptr, closed->error_kind.len);
    printf(",\"text\":");
    string(closed->error_text.ptr, closed->error_text.len);
    print_http(closed);
    printf(",\"attempts\":[");
    for (i = 0; i < closed->attempts_len; i++) {
        const tw_attempt *attempt = &closed->attempts[i];

        printf("%s{\"address\":", i ? "," : "");
        string(attempt->address.ptr, attempt->address.len);
        printf(",\"cause\":");
        string(attempt->cause.ptr, attempt->cause.len);
        printf(",\"sys\":%d}", attempt->sys);
    }
    printf("]}");
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct run *run = user;

    (void)ws;
    event(run, "close");
    printf("],\"code\":%d,\"clean\":%s,\"reason\":", closed->code, closed->clean ? "true" : "false");
    string(closed->reason.ptr, closed->reason.len);
    print_error(closed);
    tw_loop_stop(run->loop);
}

static int descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count;
}

/* How many more there are than before; a thread that looks names up may be on its way out. */
static int left_over(int before)
{
    struct timespec pause = {0, 1000000};
    int tries = 100;

    while (descriptors() > before && tries-- > 0) {
        nanosleep(&pause, NULL);
    }
    return descriptors() - before;
}

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

struct arguments {
    tw_client_opts options;
    tw_tuning tuning;
    tw_tls_opts tls;
    const char *protocols[2], *pins[2];
};

static void number(const char *name, const char *value, struct arguments *all)
{
    uint32_t given = (uint32_t)strtoul(value, NULL, 10);

    if (!strcmp(name, "open-timeout")) {
        all->tuning.open_timeout_ms = given;
    } else if (!strcmp(name, "close-timeout")) {
        all->tuning.close_timeout_ms = given;
    } else if (!strcmp(name, "linger")) {
        all->tuning.linger_ms = given;
    } else if (!strcmp(name, "write-timeout")) {
        all->tuning.write_timeout_ms = given;
    } else if (!strcmp(name, "idle-timeout")) {
        all->tuning.idle_timeout_ms = given;
    } else if (!strcmp(name, "ping")) {
        all->tuning.ping_interval_ms = all->tuning.ping_timeout_ms = given;
    } else if (!strcmp(name, "max-message")) {
        all->tuning.max_message = given;
    } else if (!strcmp(name, "max-redirects")) {
        all->options.max_redirects = given;
    } else {
        fprintf(stderr, "unknown option --%s\n", name);
        exit(2);
    }
}

static void option(const char *name, const char *value, struct arguments *all, struct run *run)
{
    if (!strcmp(name, "say")) {
        run->say = value;
    } else if (!strcmp(name, "flood")) {
        run->flood = calloc(1, FLOOD);
    } else if (!strcmp(name, "close")) {
        run->close_code = atoi(value);
    } else if (!strcmp(name, "ca")) {
        all->tls.ca_file = value;
        all->tls.flags |= TW_TLS_ONLY_THESE_CAS;
    } else if (!strcmp(name, "pin")) {
        all->pins[0] = value;
        all->tls.pins = all->pins;
    } else if (!strcmp(name, "proxy")) {
        all->options.proxy = value;
    } else if (!strcmp(name, "protocol")) {
        all->protocols[0] = value;
        all->options.protocols = all->protocols;
    } else if (!strcmp(name, "digest")) {
        all->options.auth = TW_AUTH_DIGEST;
        all->options.auth_user = "me";
        all->options.auth_secret = value;
    } else {
        number(name, value, all);
    }
}

int main(int argc, char **argv)
{
    struct arguments all;
    struct run run;
    tw_events events;
    tw_error error;
    tw_ws ws;
    double begin, took;
    int i, before;

    memset(&all, 0, sizeof all);
    memset(&run, 0, sizeof run);
    memset(&events, 0, sizeof events);
    events.size = sizeof events;
    events.on_open = on_open;
    events.on_message = on_message;
    events.on_error = on_error;
    events.on_close = on_close;
    all.options.size = sizeof all.options;
    all.tuning.size = sizeof all.tuning;
    all.tls.size = sizeof all.tls;
    all.options.url = argv[1];
    all.options.events = &events;
    all.options.user = &run;
    all.options.tuning = &all.tuning;
    for (i = 2; i + 1 < argc; i += 2) {
        option(argv[i] + 2, argv[i + 1], &all, &run);
    }
    before = descriptors();
    if ((all.tls.ca_file && tw_tls_new(&all.tls, &all.options.tls, &error)) || tw_loop_new(NULL, &run.loop, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    begin = now_ms();
    if (tw_connect(run.loop, &all.options, &ws, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    tw_loop_run(run.loop);
    took = now_ms() - begin;
    tw_loop_free(run.loop, 0);
    free(run.flood);
    printf(",\"descriptors\":%d,\"took\":%.0f}\n", left_over(before), took);
    return 0;
}
