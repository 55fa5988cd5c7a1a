/* Arguments that are not legal: a status, a text that names the argument, and nothing is started. */
#include "check.h"

static tw_loop loop;

static tw_client_opts client_options(const tw_events *events)
{
    tw_client_opts options = {.size = sizeof options};

    options.url = "ws://127.0.0.1:1/";
    options.events = events;
    return options;
}

/* tw_connect refuses and names the argument. */
static void refuses(tw_status expected, const tw_client_opts *options, const char *name)
{
    tw_error error;
    tw_ws ws;

    CHECK_STATUS(expected, tw_connect(loop, options, &ws, &error));
    CHECK(error.code == expected);
    if (!strstr(error.text, name)) {
        fprintf(stderr, "\"%s\" does not name %s\n", error.text, name);
    }
    CHECK(strstr(error.text, name) != NULL);
}

static void sizes_and_pointers_are_checked(void)
{
    tw_events events = no_events();
    tw_client_opts options = client_options(&events);
    tw_tuning tuning;
    tw_ws ws;

    refuses(TW_EINVAL, NULL, "tw_client_opts is NULL");
    CHECK_STATUS(TW_EINVAL, tw_connect(loop, &options, NULL, NULL));
    options.size = 0;
    refuses(TW_EINVAL, &options, "tw_client_opts.size");
    options.size = offsetof(tw_client_opts, proxy) - 1; /* shorter than it ever was */
    refuses(TW_EINVAL, &options, "tw_client_opts.size");
    options.size = (size_t)-1;
    refuses(TW_EINVAL, &options, "tw_client_opts.size");
    options = client_options(NULL);
    refuses(TW_EINVAL, &options, "tw_events");
    options.events = &events;
    events.size = 8;
    refuses(TW_EINVAL, &options, "tw_events.size");
    events = no_events();
    memset(&tuning, 0, sizeof tuning);
    options.tuning = &tuning;
    refuses(TW_EINVAL, &options, "tw_tuning.size");
    tuning.size = sizeof tuning;
    tuning.flags = 4;
    refuses(TW_EINVAL, &options, "tw_tuning.flags");
    options.tuning = NULL;
    options.flags = 0x80;
    refuses(TW_EINVAL, &options, "tw_client_opts.flags");
    options.flags = 0;
    CHECK_STATUS(TW_EHANDLE, tw_connect(0, &options, &ws, NULL));
}

static void client_arguments_are_checked(void)
{
    static const char *const bad_urls[][2] = {
        {NULL, "url"},
        {"", "url"},
        {"ftp://127.0.0.1/", "ftp"},
        {"ws://127.0.0.1:99999/", "port"},
        {"ws://127.0.0.1/\xff", "UTF-8"},
        {"ws://127.0.0.1/#part", "url"},
    };
    const char *const split[] = {"X-A: 1\r\nX-B: 2", NULL};
    const char *const no_colon[] = {"X-A: 1", "nonsense", NULL};
    const char *const ours[] = {"Sec-WebSocket-Key: x", NULL};
    const char *const bad_protocol[] = {"a b", NULL};
    tw_events events = no_events();
    tw_client_opts options = client_options(&events);
    size_t i;

    for (i = 0; i < sizeof bad_urls / sizeof *bad_urls; i++) {
        options.url = bad_urls[i][0];
        refuses(TW_EINVAL, &options, bad_urls[i][1]);
    }
    options = client_options(&events);
    options.headers = split;
    refuses(TW_EINVAL, &options, "X-A");
    options.headers = no_colon;
    refuses(TW_EINVAL, &options, "headers[1]");
    options.headers = ours;
    refuses(TW_EINVAL, &options, "Sec-WebSocket-Key");
    options.headers = NULL;
    options.protocols = bad_protocol;
    refuses(TW_EINVAL, &options, "protocol");
    options.protocols = NULL;
    options.connect_to = "no port";
    refuses(TW_EINVAL, &options, "connect_to");
    options.connect_to = NULL;
    options.tls = 12345;
    refuses(TW_EHANDLE, &options, "tls");
}

static void server_arguments_are_checked(void)
{
    static const char *const bad[][2] = {
        {NULL, "listen"},
        {"ftp://127.0.0.1:0", "ftp"},
        {"wss://127.0.0.1:0", "tls"},
        {"ws://127.0.0.1:65536", "listen"},
        {"127.0.0.1", "listen"},
    };
    tw_events events = no_events();
    tw_server_opts options = {.size = sizeof options, .events = &events};
    tw_server server;
    tw_error error;
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.listen = bad[i][0];
        CHECK_STATUS(TW_EINVAL, tw_listen(loop, &options, &server, &error));
        CHECK(strstr(error.text, bad[i][1]) != NULL);
    }
    options.listen = "ws://192.0.2.1:0"; /* no address of this machine */
    CHECK_STATUS(TW_ECONNECT, tw_listen(loop, &options, &server, &error));
    CHECK(error.sys != 0);
}

static void loop_arguments_are_checked(void)
{
    tw_loop_opts settings;
    tw_error error;
    tw_loop other;
    intptr_t fd;

    memset(&settings, 0, sizeof settings);
    CHECK_STATUS(TW_EINVAL, tw_loop_new(&settings, &other, &error));
    CHECK(strstr(error.text, "tw_loop_opts.size") != NULL);
    CHECK_STATUS(TW_EINVAL, tw_loop_new(NULL, NULL, &error));
    CHECK_STATUS(TW_EINVAL, tw_loop_fd(loop, NULL));
    CHECK_STATUS(TW_EHANDLE, tw_loop_fd(0, &fd));
    CHECK_STATUS(TW_EINVAL, tw_post(loop, NULL, NULL));
}

static void newer_structures_fail_loudly(void)
{
    struct {
        tw_loop_opts known;
        uint32_t later, more;
    } newer;
    tw_loop made;
    tw_error error;
    char offset[32];

    memset(&newer, 0, sizeof newer);
    newer.known.size = sizeof newer;
    OK(tw_loop_new(&newer.known, &made, &error));
    OK(tw_loop_free(made, 0));
    newer.more = 1;
    CHECK_STATUS(TW_EUNSUPPORTED, tw_loop_new(&newer.known, &made, &error));
    snprintf(offset, sizeof offset, "offset %d", (int)sizeof(tw_loop_opts) + 4);
    CHECK(strstr(error.text, offset) != NULL);
}

static void tls_arguments_are_checked(void)
{
    tw_tls_opts options;
    tw_tls tls;
    tw_error error;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.ca_file = "/nonexistent/ca.pem";
    CHECK_STATUS(TW_ETLS, tw_tls_new(&options, &tls, &error));
    CHECK(strstr(error.text, "ca_file") != NULL);
    options.ca_file = NULL;
    options.ca_pem = "this is no certificate";
    options.ca_pem_len = 22;
    CHECK_STATUS(TW_ETLS, tw_tls_new(&options, &tls, &error));
    CHECK(strstr(error.text, "ca_pem") != NULL);
    options.ca_pem = NULL;
    CHECK_STATUS(TW_EINVAL, tw_tls_new(&options, &tls, &error));
    options.ca_pem_len = 0;
    options.cert_pem = "x";
    options.cert_pem_len = 1;
    CHECK_STATUS(TW_EINVAL, tw_tls_new(&options, &tls, &error));
    CHECK(strstr(error.text, "key_file") != NULL);
    options.key_pem = "y";
    options.key_pem_len = 1;
    CHECK_STATUS(TW_ETLS, tw_tls_new(&options, &tls, &error));
    options.cert_pem_len = options.key_pem_len = 0;
    options.min_version = 2;
    CHECK_STATUS(TW_EINVAL, tw_tls_new(&options, &tls, &error));
    options.min_version = 0;
    options.flags = 0x8000;
    CHECK_STATUS(TW_EINVAL, tw_tls_new(&options, &tls, &error));
    options.flags = TW_TLS_DANGER_NO_VERIFY;
    OK(tw_tls_new(&options, &tls, &error));
    OK(tw_tls_free(tls));
    CHECK_STATUS(TW_EHANDLE, tw_tls_free(tls));
    CHECK_STATUS(TW_EHANDLE, tw_tls_free(loop));
}

int main(void)
{
    CHECK(tw_version() > 0);
    CHECK(strlen(tw_strerror(TW_EHANDLE)) > 0 && strlen(tw_strerror(12345)) > 0);
    loop = new_loop();
    sizes_and_pointers_are_checked();
    client_arguments_are_checked();
    server_arguments_are_checked();
    loop_arguments_are_checked();
    newer_structures_fail_loudly();
    tls_arguments_are_checked();
    OK(tw_loop_free(loop, 0));
    puts("ok");
    return 0;
}
