/* A fork while a loop is at work: in the child every call says so, freeing the loop closes the child's descriptors
 * and disturbs nobody, and the parent's connection goes on. */
#include <dirent.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "authority.h"
#include "check.h"

#define MOST_FDS 256
/* From here on valgrind has its own, which a child need not have. */
#define FIRST_OF_TOOLS 512

enum driver { POLLED, OWN_THREAD, OTHER_THREAD, WAITED, INSIDE, DRIVERS };

/* Children may take their time, above all under valgrind. */
static const tw_tuning patient = {.size = sizeof patient, .open_timeout_ms = TW_NEVER, .close_timeout_ms = TW_NEVER,
                                  .write_timeout_ms = TW_NEVER, .ping_interval_ms = TW_NEVER};

static const char *const drivers[] = {"polled", "on its own thread", "on another thread", "with a waiter",
                                      "inside a callback"};

static struct {
    enum driver driver;
    tw_loop loop;
    tw_server server;
    tw_tls serving_tls, asking_tls;
    tw_timer timer;
    tw_ws ws, spare;
    tw_buf *buffer;
    int before[MOST_FDS]; /* descriptors that were there before the loop */
    _Atomic int opens, messages, closes;
} now;

static int count_of(const int *fds)
{
    int count = 0;

    while (fds[count] >= 0) {
        count++;
    }
    return count;
}

static void insert(int *fds, int fd)
{
    int at = count_of(fds);

    CHECK(at < MOST_FDS - 1);
    for (fds[at + 1] = -1; at > 0 && fds[at - 1] > fd; at--) {
        fds[at] = fds[at - 1];
    }
    fds[at] = fd;
}

/* The descriptors of this process, in order, ended by -1. */
static void descriptors(int *found)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;

    CHECK(folder != NULL);
    found[0] = -1;
    while ((entry = readdir(folder)) != NULL) {
        int fd = entry->d_name[0] == '.' ? -1 : atoi(entry->d_name);

        if (fd >= 0 && fd < FIRST_OF_TOOLS && fd != dirfd(folder)) {
            insert(found, fd);
        }
    }
    closedir(folder);
}

static void nothing(void *user)
{
    (void)user;
    CHECK(!"called in the child");
}

/* Calls on the loop, its server and its timer. */
static void calls_on_the_loop(void)
{
    tw_events events = no_events();
    tw_client_opts client = {.size = sizeof client, .url = "ws://127.0.0.1:1/", .events = &events};
    tw_server_opts server = {.size = sizeof server, .listen = "ws://127.0.0.1:0", .events = &events};
    tw_server made_server = 0;
    tw_timer timer = 0;
    tw_ws made = 0;
    uint16_t port;
    size_t count;
    intptr_t fd;

    CHECK_STATUS(TW_EFORKED, tw_loop_run(now.loop));
    CHECK_STATUS(TW_EFORKED, tw_loop_poll(now.loop, 0));
    CHECK_STATUS(TW_EFORKED, tw_loop_start(now.loop));
    CHECK_STATUS(TW_EFORKED, tw_loop_stop(now.loop));
    CHECK_STATUS(TW_EFORKED, tw_loop_fd(now.loop, &fd));
    CHECK_STATUS(TW_EFORKED, tw_loop_on_ready(now.loop, nothing, NULL));
    CHECK_STATUS(TW_EFORKED, tw_post(now.loop, nothing, NULL));
    CHECK_STATUS(TW_EFORKED, tw_timer_start(now.loop, 0, 0, nothing, NULL, &timer));
    CHECK_STATUS(TW_EFORKED, tw_timer_stop(now.timer));
    CHECK_STATUS(TW_EFORKED, tw_connect(now.loop, &client, &made, NULL));
    CHECK_STATUS(TW_EFORKED, tw_listen(now.loop, &server, &made_server, NULL));
    CHECK(made == 0 && made_server == 0 && timer == 0);
    CHECK_STATUS(TW_EFORKED, tw_server_port(now.server, &port));
    CHECK_STATUS(TW_EFORKED, tw_server_set_tls(now.server, now.serving_tls));
    CHECK_STATUS(TW_EFORKED, tw_broadcast(now.server, TW_TEXT, "x", 1, &count));
    CHECK_STATUS(TW_EFORKED, tw_server_close(now.server, 0));
}

static void calls_on_a_connection(void)
{
    tw_stats stats = {.size = sizeof stats};
    char text[64];

    CHECK_STATUS(TW_EFORKED, tw_send(now.ws, TW_TEXT, "from the child", 14));
    CHECK_STATUS(TW_EFORKED, tw_send(now.ws, TW_TEXT | TW_MORE, "from the child", 14));
    CHECK_STATUS(TW_EFORKED, tw_send_buf(now.ws, TW_BINARY, now.buffer));
    CHECK_STATUS(TW_EFORKED, tw_ping(now.ws, NULL, 0));
    CHECK_STATUS(TW_EFORKED, tw_close(now.ws, 1000, NULL));
    CHECK_STATUS(TW_EFORKED, tw_abort(now.ws));
    CHECK_STATUS(TW_EFORKED, tw_detach(now.ws));
    CHECK_STATUS(TW_EFORKED, tw_pause(now.ws));
    CHECK_STATUS(TW_EFORKED, tw_resume(now.ws));
    CHECK_STATUS(TW_EFORKED, tw_accept(now.ws, NULL, NULL, NULL, NULL));
    CHECK_STATUS(TW_EFORKED, tw_reject(now.ws, 403, NULL, NULL, 0));
    CHECK_STATUS(TW_EFORKED, tw_get_str(now.ws, TW_STR_URL, text, sizeof text, NULL));
    CHECK_STATUS(TW_EFORKED, tw_get_stats(now.ws, &stats));
    CHECK(tw_ready_state(now.ws) == 3);
    CHECK(tw_buffered_amount(now.ws) == 0);
    /* Another kind of id is still another kind. */
    CHECK_STATUS(TW_EHANDLE, tw_send(now.server, TW_TEXT, "x", 1));
}

static void count(void *user)
{
    ++*(int *)user;
}

/* In the child. */
static int orphaned(void)
{
    int after[MOST_FDS], calls = 0;
    tw_loop own;

    calls_on_the_loop();
    calls_on_a_connection();
    descriptors(after);
    CHECK(count_of(after) > count_of(now.before));
    OK(tw_loop_free(now.loop, 1000));
    descriptors(after);
    if (memcmp(after, now.before, sizeof(int) * (size_t)(count_of(now.before) + 1)) != 0) {
        fprintf(stderr, "%s: %d descriptors are left of the loop\n", drivers[now.driver],
                count_of(after) - count_of(now.before));
        return 1;
    }
    CHECK_STATUS(TW_EHANDLE, tw_loop_free(now.loop, 1000));
    CHECK_STATUS(TW_EHANDLE, tw_send(now.ws, TW_TEXT, "x", 1));
    CHECK(now.closes == 0);
    /* What belongs to no loop is the child's as well, and so are loops that it makes. */
    OK(tw_tls_free(now.asking_tls));
    tw_buf_unref(now.buffer);
    OK(tw_loop_new(NULL, &own, NULL));
    OK(tw_post(own, count, &calls));
    OK(tw_loop_poll(own, 1000));
    CHECK(calls == 1);
    OK(tw_loop_free(own, 0));
    return 0;
}

static void bear(void)
{
    pid_t child = fork();
    int status;

    CHECK(child >= 0);
    if (child == 0) {
        end_child(orphaned());
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) {
        fprintf(stderr, "forked %s: status %#x\n", drivers[now.driver], (unsigned)status);
    }
    CHECK(status == 0);
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    if (now.driver == INSIDE) {
        now.ws = ws;
        bear();
        OK(tw_send(ws, TW_TEXT, "still here", 10));
    }
    now.opens++;
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user;
    CHECK(message->len == 10 && memcmp(message->data, "still here", 10) == 0);
    now.messages++;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user;
    if (!closed->clean) {
        fprintf(stderr, "%s: %s\n", drivers[now.driver], closed->error_text.ptr);
    }
    CHECK(closed->clean);
    now.closes++;
}

static void *drive(void *user)
{
    (void)user;
    OK(tw_loop_run(now.loop));
    return NULL;
}

static int is_driven(void)
{
    return now.driver == OWN_THREAD || now.driver == OTHER_THREAD;
}

static void await(_Atomic int *value)
{
    double end = now_s() + 30 * slowness();

    while (*value == 0) {
        CHECK(now_s() < end);
        if (is_driven()) {
            sched_yield();
        } else {
            OK(tw_loop_poll(now.loop, 50));
        }
    }
}

/* A connected socket of the application's that the loop takes over, and whose other end is returned. */
static int adopt(const tw_events *events)
{
    tw_client_opts options = {.size = sizeof options, .url = "ws://127.0.0.1/", .flags = TW_CLIENT_FD, .events = events};
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    options.fd = ends[0];
    options.tuning = &patient;
    OK(tw_connect(now.loop, &options, &now.spare, NULL));
    close(ends[0]);
    return ends[1];
}

static void later(void *user)
{
    (void)user;
}

static void one_loop(enum driver driver, int secure)
{
    tw_loop_opts settings = {.size = sizeof settings, .flags = driver == WAITED ? TW_LOOP_WAITER : 0};
    tw_tls_opts keys = {.size = sizeof keys, .cert_pem = first_certificate, .cert_pem_len = sizeof first_certificate - 1,
                        .key_pem = first_key, .key_pem_len = sizeof first_key - 1};
    tw_tls_opts trust = {.size = sizeof trust, .ca_pem = authority, .ca_pem_len = sizeof authority - 1,
                         .flags = TW_TLS_ONLY_THESE_CAS};
    tw_events serving = no_events(), asking = no_events(), quiet = no_events();
    tw_server_opts server = {.size = sizeof server, .events = &serving, .tuning = &patient};
    tw_client_opts client = {.size = sizeof client, .events = &asking, .tuning = &patient};
    pthread_t thread;
    char url[64];
    uint16_t port;
    int other_end;

    memset(&now, 0, sizeof now);
    now.driver = driver;
    serving.on_message = echo;
    asking.on_open = on_open;
    asking.on_message = on_message;
    asking.on_close = on_close;
    OK(tw_tls_new(&keys, &now.serving_tls, NULL));
    OK(tw_tls_new(&trust, &now.asking_tls, NULL));
    now.buffer = tw_buf_new(4);
    CHECK(now.buffer != NULL);
    descriptors(now.before);
    OK(tw_loop_new(&settings, &now.loop, NULL));
    OK(tw_timer_start(now.loop, 600000, 0, later, NULL, &now.timer));
    server.listen = secure ? "wss://127.0.0.1:0" : "ws://127.0.0.1:0";
    server.tls = secure ? now.serving_tls : 0;
    OK(tw_listen(now.loop, &server, &now.server, NULL));
    OK(tw_server_port(now.server, &port));
    other_end = adopt(&quiet);
    /* The application's own end is no business of the loop's. */
    insert(now.before, other_end);
    if (driver == OWN_THREAD) {
        OK(tw_loop_start(now.loop));
    } else if (driver == OTHER_THREAD) {
        CHECK(pthread_create(&thread, NULL, drive, NULL) == 0);
    }
    snprintf(url, sizeof url, "%s://127.0.0.1:%d/", secure ? "wss" : "ws", port);
    client.url = url;
    client.tls = secure ? now.asking_tls : 0;
    OK(tw_connect(now.loop, &client, &now.ws, NULL));
    await(&now.opens);
    if (driver != INSIDE) {
        bear();
        OK(tw_send(now.ws, TW_TEXT, "still here", 10));
    }
    await(&now.messages);
    CHECK(tw_ready_state(now.ws) == 1);
    OK(tw_close(now.ws, 1000, NULL));
    await(&now.closes);
    OK(tw_abort(now.spare));
    if (driver == OTHER_THREAD) {
        OK(tw_loop_stop(now.loop));
        CHECK(pthread_join(thread, NULL) == 0);
    }
    OK(tw_loop_free(now.loop, 0));
    OK(tw_tls_free(now.serving_tls));
    OK(tw_tls_free(now.asking_tls));
    tw_buf_unref(now.buffer);
    close(other_end);
}

int main(void)
{
    int driver, secure;

    for (driver = 0; driver < DRIVERS; driver++) {
        for (secure = 0; secure < 2; secure++) {
            one_loop((enum driver)driver, secure);
        }
    }
    return 0;
}
