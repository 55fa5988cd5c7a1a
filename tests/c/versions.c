/* Structures of other versions: what is longer may only be zero there, what is shorter means the defaults, and what is
 * too short, or has flags or a size that cannot be, is refused by name. */
#include "authority.h"
#include "check.h"

static tw_loop loop;
static tw_events events;
static tw_ws ws;

static tw_status use_loop_opts(void *given, tw_error *error)
{
    tw_loop made;
    tw_status status = tw_loop_new(given, &made, error);

    if (status == TW_OK) {
        OK(tw_loop_free(made, 0));
    }
    return status;
}

static tw_status connect_with(const tw_client_opts *options, tw_error *error)
{
    tw_ws made;
    tw_status status = tw_connect(loop, options, &made, error);

    if (status == TW_OK) {
        OK(tw_detach(made));
    }
    return status;
}

static tw_client_opts client(void)
{
    tw_client_opts options = {.size = sizeof options, .url = "ws://127.0.0.1:1/", .events = &events};

    return options;
}

static tw_status use_client_opts(void *given, tw_error *error)
{
    tw_client_opts *options = given;

    options->url = "ws://127.0.0.1:1/";
    options->events = &events;
    return connect_with(options, error);
}

static tw_status use_events(void *given, tw_error *error)
{
    tw_client_opts options = client();

    options.events = given;
    return connect_with(&options, error);
}

static tw_status use_tuning(void *given, tw_error *error)
{
    tw_client_opts options = client();

    options.tuning = given;
    return connect_with(&options, error);
}

static tw_status use_reconnect_opts(void *given, tw_error *error)
{
    tw_client_opts options = client();

    options.reconnect = given;
    return connect_with(&options, error);
}

static tw_status listen_with(const tw_server_opts *options, tw_error *error)
{
    tw_server made;
    tw_status status = tw_listen(loop, options, &made, error);

    if (status == TW_OK) {
        OK(tw_server_close(made, 0));
    }
    return status;
}

static tw_status use_server_opts(void *given, tw_error *error)
{
    tw_server_opts *options = given;

    options->listen = "ws://127.0.0.1:0";
    options->events = &events;
    return listen_with(options, error);
}

static tw_status use_server_tuning(void *given, tw_error *error)
{
    tw_server_opts options = {.size = sizeof options, .listen = "ws://127.0.0.1:0", .events = &events, .tuning = given};

    return listen_with(&options, error);
}

static tw_status use_tls_opts(void *given, tw_error *error)
{
    tw_tls_opts *options = given;
    tw_tls made;
    tw_status status;

    options->ca_pem = authority;
    options->ca_pem_len = sizeof authority - 1;
    status = tw_tls_new(options, &made, error);
    if (status == TW_OK) {
        OK(tw_tls_free(made));
    }
    return status;
}

/* First version: how long it was then. `later`: a member that it had not, of 4 bytes at least, or 0. */
#define STRUCTURE(type, use, first, later) {#type, sizeof(type), first, later, use}

static const struct structure {
    const char *name;
    size_t size, first, later;
    tw_status (*use)(void *given, tw_error *error);
} structures[] = {
    STRUCTURE(tw_loop_opts, use_loop_opts, offsetof(tw_loop_opts, log_level), offsetof(tw_loop_opts, log_level)),
    STRUCTURE(tw_client_opts, use_client_opts, offsetof(tw_client_opts, proxy), offsetof(tw_client_opts, auth)),
    STRUCTURE(tw_events, use_events, offsetof(tw_events, on_reconnect), 0),
    STRUCTURE(tw_tuning, use_tuning, offsetof(tw_tuning, deflate), offsetof(tw_tuning, deflate)),
    STRUCTURE(tw_tuning, use_server_tuning, offsetof(tw_tuning, deflate), offsetof(tw_tuning, deflate)),
    STRUCTURE(tw_reconnect_opts, use_reconnect_opts, offsetof(tw_reconnect_opts, max_attempts) + 4, 0),
    STRUCTURE(tw_server_opts, use_server_opts, offsetof(tw_server_opts, on_request), 0),
    STRUCTURE(tw_tls_opts, use_tls_opts, offsetof(tw_tls_opts, pins), 0),
};

/* So many bytes of zeros that begin with a size; nothing behind them may be read. */
static void *given(size_t bytes, size_t size)
{
    void *made = calloc(1, bytes > sizeof size ? bytes : sizeof size);

    CHECK(made != NULL);
    memcpy(made, &size, sizeof size);
    return made;
}

static void check(const struct structure *structure, void *made, tw_status expected, const char *text)
{
    tw_error error = {.code = 0};
    tw_status status = structure->use(made, &error);

    if (status != expected || (text && !strstr(error.text, text)) || (text && !strstr(error.text, structure->name))) {
        fprintf(stderr, "%s: %d (%s), not %d (%s)\n", structure->name, status, error.text, expected, text);
        exit(1);
    }
    free(made);
}

static void one_structure(const struct structure *structure)
{
    const size_t size = structure->size, first = structure->first;
    const size_t impossible[] = {0, 1, first - 1, 4097, (size_t)-1};
    uint32_t nonsense = 0x7fffffff;
    char text[64];
    size_t at;
    char *made;

    check(structure, given(size, size), TW_OK, NULL);
    check(structure, given(first, first), TW_OK, NULL);
    for (at = 0; at < sizeof impossible / sizeof *impossible; at++) {
        snprintf(text, sizeof text, "size is %zu", impossible[at]);
        check(structure, given(size, impossible[at]), TW_EINVAL, text);
    }
    /* A newer program with this library: each byte of what it has more. */
    check(structure, given(size + 24, size + 24), TW_OK, NULL);
    check(structure, given(4096, 4096), TW_OK, NULL);
    for (at = 0; at < 24; at++) {
        made = given(size + 24, size + 24);
        made[size + at] = 1;
        snprintf(text, sizeof text, "offset %zu", size + at);
        check(structure, made, TW_EUNSUPPORTED, text);
    }
    /* An older one: what its structure has not is not looked at. */
    if (structure->later) {
        made = given(size, first);
        memcpy(made + structure->later, &nonsense, sizeof nonsense);
        check(structure, made, TW_OK, NULL);
        made = given(size, size);
        memcpy(made + structure->later, &nonsense, sizeof nonsense);
        check(structure, made, TW_EINVAL, NULL);
    }
}

static void unknown_flags_are_refused(void)
{
    static const uint32_t flags[] = {0x80, 0x100, 0x80000000u};
    size_t at;

    for (at = 0; at < sizeof flags / sizeof *flags; at++) {
        tw_loop_opts loop_opts = {.size = sizeof loop_opts, .flags = flags[at]};
        tw_client_opts client_opts = {.size = sizeof client_opts, .flags = flags[at]};
        tw_server_opts server_opts = {.size = sizeof server_opts, .flags = flags[at]};
        tw_tls_opts tls_opts = {.size = sizeof tls_opts, .flags = flags[at]};
        tw_tuning tuning = {.size = sizeof tuning, .flags = flags[at]};
        tw_error error;

        CHECK_STATUS(TW_EINVAL, use_loop_opts(&loop_opts, &error));
        CHECK(strstr(error.text, "tw_loop_opts.flags") != NULL);
        CHECK_STATUS(TW_EINVAL, use_client_opts(&client_opts, &error));
        CHECK(strstr(error.text, "tw_client_opts.flags") != NULL);
        CHECK_STATUS(TW_EINVAL, use_server_opts(&server_opts, &error));
        CHECK(strstr(error.text, "tw_server_opts.flags") != NULL);
        CHECK_STATUS(TW_EINVAL, use_tls_opts(&tls_opts, &error));
        CHECK(strstr(error.text, "tw_tls_opts.flags") != NULL);
        CHECK_STATUS(TW_EINVAL, use_tuning(&tuning, &error));
        CHECK(strstr(error.text, "tw_tuning.flags") != NULL);
    }
}

static void null_is_refused_by_name(void)
{
    tw_server_opts server_opts = {.size = sizeof server_opts, .listen = "ws://127.0.0.1:0"};
    tw_server server = listen_on(loop, &events, NULL, &(uint16_t){0});
    tw_error error;
    tw_server made;
    tw_tls tls;
    tw_ws made_ws;

    CHECK_STATUS(TW_EINVAL, tw_listen(loop, NULL, &made, &error));
    CHECK(strstr(error.text, "tw_server_opts is NULL") != NULL);
    CHECK_STATUS(TW_EINVAL, tw_listen(loop, &server_opts, &made, &error));
    CHECK(strstr(error.text, "tw_events is NULL") != NULL);
    server_opts.events = &events;
    CHECK_STATUS(TW_EINVAL, tw_listen(loop, &server_opts, NULL, &error));
    CHECK(strstr(error.text, "out is NULL") != NULL);
    CHECK_STATUS(TW_EINVAL, tw_tls_new(NULL, &tls, &error));
    CHECK(strstr(error.text, "tw_tls_opts is NULL") != NULL);
    CHECK_STATUS(TW_EINVAL, tw_tls_new(&(tw_tls_opts){.size = sizeof(tw_tls_opts)}, NULL, &error));
    CHECK(strstr(error.text, "out is NULL") != NULL);
    CHECK_STATUS(TW_EINVAL, tw_connect(loop, NULL, &made_ws, &error));
    CHECK(strstr(error.text, "tw_client_opts is NULL") != NULL);
    CHECK_STATUS(TW_EINVAL, tw_loop_new(NULL, NULL, &error));
    CHECK_STATUS(TW_EINVAL, tw_server_port(server, NULL));
    CHECK_STATUS(TW_EINVAL, tw_loop_fd(loop, NULL));
    CHECK_STATUS(TW_EINVAL, tw_post(loop, NULL, NULL));
    CHECK_STATUS(TW_EINVAL, tw_timer_start(loop, 0, 0, NULL, NULL, NULL));
    CHECK_STATUS(TW_EINVAL, tw_get_stats(ws, NULL));
    CHECK_STATUS(TW_EINVAL, tw_get_str(ws, TW_STR_URL, NULL, 1, NULL));
    CHECK_STATUS(TW_EINVAL, tw_send_buf(ws, TW_BINARY, NULL));
    CHECK_STATUS(TW_EINVAL, tw_send(ws, TW_BINARY, NULL, 1));
    CHECK_STATUS(TW_EINVAL, tw_ping(ws, NULL, 1));
    CHECK_STATUS(TW_EINVAL, tw_reject(ws, 403, NULL, NULL, 1));
    CHECK_STATUS(TW_EINVAL, tw_broadcast(server, TW_TEXT, NULL, 1, NULL));
    CHECK(tw_header(NULL, "Host", NULL) == NULL && tw_header_count(NULL) == 0);
    CHECK(tw_buf_data(NULL, NULL) == NULL && tw_buf_ref(NULL) == NULL && tw_buf_keep(NULL) == NULL);
    tw_buf_unref(NULL);
    OK(tw_server_close(server, 0));
}

static volatile int opened;

static void on_open(tw_ws id, void *user, const tw_open_ev *event)
{
    tw_str name, value;

    (void)id, (void)user;
    CHECK(tw_header_count(event->headers) > 2);
    OK(tw_header_at(event->headers, 0, &name, &value));
    CHECK_STATUS(TW_EINVAL, tw_header_at(NULL, 0, &name, &value));
    CHECK_STATUS(TW_EINVAL, tw_header_at(event->headers, 0, NULL, &value));
    CHECK_STATUS(TW_EINVAL, tw_header_at(event->headers, 0, &name, NULL));
    CHECK_STATUS(TW_EINVAL, tw_header_at(event->headers, tw_header_count(event->headers), &name, &value));
    CHECK_STATUS(TW_EINVAL, tw_header_at(event->headers, (size_t)-1, &name, &value));
    CHECK(tw_header(event->headers, NULL, NULL) == NULL);
    opened = 1;
}

/* tw_stats is filled: a longer one to its end, a shorter one not beyond. */
static void counts_fit_any_version(void)
{
    struct {
        tw_stats known;
        uint64_t later[3];
    } newer, older;

    memset(&newer, 0xff, sizeof newer);
    newer.known.size = sizeof newer;
    OK(tw_get_stats(ws, &newer.known));
    CHECK(newer.known.size == sizeof newer && newer.known.messages_sent == 0);
    CHECK(newer.later[0] == 0 && newer.later[2] == 0);
    memset(&older, 0xff, sizeof older);
    older.known.size = offsetof(tw_stats, latency_ns);
    OK(tw_get_stats(ws, &older.known));
    CHECK(older.known.deflate_received_compressed == 0 && older.known.latency_ns == UINT64_MAX);
    older.known.size--;
    CHECK_STATUS(TW_EINVAL, tw_get_stats(ws, &older.known));
    older.known.size = 0;
    CHECK_STATUS(TW_EINVAL, tw_get_stats(ws, &older.known));
    older.known.size = (size_t)-1;
    CHECK_STATUS(TW_EINVAL, tw_get_stats(ws, &older.known));
}

int main(void)
{
    tw_events serving = no_events();
    uint16_t port;
    size_t at;

    loop = new_loop();
    events = no_events();
    events.on_open = on_open;
    listen_on(loop, &serving, NULL, &port);
    ws = connect_to(loop, port, &events, NULL);
    poll_until(loop, &opened);
    events.on_open = NULL;
    for (at = 0; at < sizeof structures / sizeof *structures; at++) {
        one_structure(&structures[at]);
    }
    unknown_flags_are_refused();
    null_is_refused_by_name();
    counts_fit_any_version();
    OK(tw_loop_free(loop, 0));
    return 0;
}
