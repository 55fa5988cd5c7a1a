/* What the library takes from its host: descriptors that end with exec, no threads but those that were asked for, and
 * no look at the environment but where that was asked for. */
#include <dirent.h>
#include <fcntl.h>

#include "authority.h"
#include "check.h"

extern char **environ;

static volatile int watching;
static char asked[4096]; /* the variables that were asked for, each with a blank behind it */

static char *look_up(const char *name)
{
    size_t len = strlen(name);
    char **entry;

    /* This program's own question; see slowness(). */
    if (watching && strcmp(name, "CHECK_SLOW") != 0 && strlen(asked) + len + 2 < sizeof asked) {
        strcat(strcat(asked, name), " ");
    }
    for (entry = environ; entry && *entry; entry++) {
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=') {
            return *entry + len + 1;
        }
    }
    return NULL;
}

/* In the place of the C library's, for the whole program. */
char *getenv(const char *name)
{
    return look_up(name);
}

char *secure_getenv(const char *name)
{
    return look_up(name);
}

/* ---- descriptors and threads ------------------------------------------------------------------ */

static int entries_of(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int count = 0;

    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

static int threads(void)
{
    return entries_of("/proc/self/task");
}

/* Descriptors without FD_CLOEXEC. */
static int inherited(void)
{
    int count = 0, fd;

    for (fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);

        count += flags >= 0 && !(flags & FD_CLOEXEC);
    }
    return count;
}

static int most_threads, most_inherited;

static void look(void)
{
    int have = threads(), left = inherited();

    most_threads = have > most_threads ? have : most_threads;
    most_inherited = left > most_inherited ? left : most_inherited;
}

static volatile int closes;

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    look();
    OK(tw_send(ws, TW_TEXT, "hello", 5));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user, (void)message;
    look();
    OK(tw_close(ws, 1000, NULL));
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    CHECK(closed->clean);
    look();
    closes = 1;
}

static void talk(tw_loop loop, int secure, uint32_t client_flags)
{
    tw_tls_opts keys = {.size = sizeof keys, .cert_pem = first_certificate, .cert_pem_len = sizeof first_certificate - 1,
                        .key_pem = first_key, .key_pem_len = sizeof first_key - 1, .ca_pem = authority,
                        .ca_pem_len = sizeof authority - 1, .flags = TW_TLS_ONLY_THESE_CAS};
    tw_tls_opts trust = {.size = sizeof trust, .ca_pem = authority, .ca_pem_len = sizeof authority - 1,
                         .flags = TW_TLS_ONLY_THESE_CAS};
    tw_events serving = no_events(), asking = no_events();
    tw_server_opts server_opts = {.size = sizeof server_opts, .events = &serving};
    tw_client_opts options = {.size = sizeof options, .events = &asking, .flags = client_flags};
    tw_tls serving_tls, asking_tls;
    tw_server server;
    char url[64];
    uint16_t port;
    tw_ws ws;

    serving.on_message = echo;
    asking.on_open = on_open;
    asking.on_message = on_message;
    asking.on_close = on_close;
    OK(tw_tls_new(&keys, &serving_tls, NULL));
    OK(tw_tls_new(&trust, &asking_tls, NULL));
    server_opts.listen = secure ? "wss://127.0.0.1:0" : "ws://127.0.0.1:0";
    server_opts.tls = secure ? serving_tls : 0;
    OK(tw_listen(loop, &server_opts, &server, NULL));
    OK(tw_server_port(server, &port));
    snprintf(url, sizeof url, "%s://127.0.0.1:%d/", secure ? "wss" : "ws", port);
    options.url = url;
    options.tls = secure ? asking_tls : 0;
    closes = 0;
    OK(tw_connect(loop, &options, &ws, NULL));
    poll_until(loop, &closes);
    OK(tw_server_close(server, 0));
    OK(tw_tls_free(serving_tls));
    OK(tw_tls_free(asking_tls));
}

static int start(void)
{
    look();
    most_threads = most_inherited = 0;
    return threads();
}

static void nothing_is_inherited_and_no_thread_is_made(void)
{
    int before = start(), left = inherited();
    tw_loop loop = new_loop();
    intptr_t fd;

    OK(tw_loop_fd(loop, &fd));
    CHECK(fcntl((int)fd, F_GETFD) & FD_CLOEXEC);
    talk(loop, 0, 0);
    talk(loop, 1, 0);
    OK(tw_loop_free(loop, 0));
    CHECK(most_threads == before && threads() == before);
    CHECK(most_inherited == left);
}

static void nothing(void *user)
{
    *(volatile int *)user = 1;
}

static void threads_that_were_asked_for(void)
{
    tw_loop_opts options = {.size = sizeof options, .flags = TW_LOOP_WAITER};
    int before = start(), left = inherited();
    volatile int called = 0;
    double end = now_s() + 30 * slowness();
    tw_loop loop;
    intptr_t fd;

    OK(tw_loop_new(&options, &loop, NULL));
    OK(tw_loop_fd(loop, &fd));
    CHECK(fcntl((int)fd, F_GETFD) & FD_CLOEXEC);
    talk(loop, 0, 0);
    CHECK(most_threads == before + 1 && most_inherited == left);
    OK(tw_loop_free(loop, 0));
    CHECK(threads() == before);

    loop = new_loop();
    OK(tw_loop_start(loop));
    OK(tw_post(loop, nothing, (void *)(uintptr_t)&called));
    while (!called) {
        CHECK(now_s() < end);
        sched_yield();
    }
    CHECK(threads() == before + 1);
    OK(tw_loop_free(loop, 0));
    CHECK(threads() == before);
}

/* ---- the environment -------------------------------------------------------------------------- */

static void the_environment_is_looked_at_only_where_that_was_asked_for(void)
{
    tw_loop_opts options = {.size = sizeof options, .flags = TW_LOOP_WAITER};
    tw_tls_opts keylog = {.size = sizeof keylog, .flags = TW_TLS_KEYLOG_FROM_ENV | TW_TLS_ONLY_THESE_CAS,
                          .ca_pem = authority, .ca_pem_len = sizeof authority - 1};
    tw_loop loop;
    tw_tls tls;

    watching = 1;
    loop = new_loop();
    talk(loop, 0, 0);
    talk(loop, 1, 0);
    OK(tw_loop_free(loop, 0));
    loop = new_loop();
    OK(tw_loop_start(loop));
    OK(tw_loop_free(loop, 0));
    OK(tw_loop_new(&options, &loop, NULL));
    OK(tw_loop_free(loop, 0));
    watching = 0;
    if (asked[0] != 0) {
        fprintf(stderr, "asked for without a flag: %s\n", asked);
    }
    CHECK(asked[0] == 0);

    /* With the flags it is: so the test sees what it looks for. Where the tests run, no proxy may be wanted. */
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    watching = 1;
    loop = new_loop();
    talk(loop, 0, TW_CLIENT_PROXY_FROM_ENV);
    watching = 0;
    OK(tw_loop_free(loop, 0));
    CHECK(strstr(asked, "http_proxy ") != NULL && strstr(asked, "SSLKEYLOGFILE ") == NULL);
    watching = 1;
    OK(tw_tls_new(&keylog, &tls, NULL));
    watching = 0;
    OK(tw_tls_free(tls));
    CHECK(strstr(asked, "SSLKEYLOGFILE ") != NULL && strstr(asked, "SSL_CERT_FILE ") == NULL);
    /* And so is the place of the platform's certificates. */
    keylog.flags = 0;
    watching = 1;
    OK(tw_tls_new(&keylog, &tls, NULL));
    watching = 0;
    OK(tw_tls_free(tls));
    CHECK(strstr(asked, "SSL_CERT_FILE ") != NULL);
}

int main(void)
{
    /* The test is to find no proxy. */
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    unsetenv("HTTPS_PROXY");
    unsetenv("SSLKEYLOGFILE");
    nothing_is_inherited_and_no_thread_is_made();
    threads_that_were_asked_for();
    the_environment_is_looked_at_only_where_that_was_asked_for();
    return 0;
}
