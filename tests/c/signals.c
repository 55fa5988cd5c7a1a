/* tw_loop_stop from a signal handler; the library's thread takes no signals; a forked child. */
#include "check.h"
#include <dirent.h>
#include <sys/time.h>
#include <sys/wait.h>

static tw_loop loop;
static volatile sig_atomic_t handled;

static void stop(int number)
{
    (void)number;
    handled++;
    tw_loop_stop(loop);
}

/* The timer goes off before, in and after the wait: never is a stop lost. */
static void stopping_in_a_handler(void)
{
    int i;

    CHECK(signal(SIGALRM, stop) != SIG_ERR);
    for (i = 0; i < 300; i++) {
        struct itimerval timer;

        memset(&timer, 0, sizeof timer);
        timer.it_value.tv_usec = 1 + i * 7 % 2000;
        setitimer(ITIMER_REAL, &timer, NULL);
        OK(tw_loop_run(loop));
        CHECK(handled == i + 1);
    }
}

/* A stop before the wait counts too, and ends one wait only. */
static void stopping_before_the_wait(void)
{
    double began;

    OK(tw_loop_stop(loop));
    OK(tw_loop_run(loop));
    OK(tw_loop_stop(loop));
    OK(tw_loop_poll(loop, -1));
    began = now_s();
    OK(tw_loop_poll(loop, 50));
    OK(tw_loop_poll(loop, 50));
    CHECK(now_s() - began > 0.04);
}

static volatile sig_atomic_t errno_before, errno_after;

static void stop_amid_an_error(int number)
{
    (void)number;
    errno_before = errno;
    tw_loop_stop(loop);
    tw_loop_stop(0);
    tw_loop_stop(loop + 1);
    errno_after = errno;
}

/* What a handler interrupted still finds its own errno. */
static void a_handler_leaves_errno_alone(void)
{
    static const int numbers[] = {0, EINTR, EAGAIN, 1234};
    size_t at;

    CHECK(signal(SIGUSR1, stop_amid_an_error) != SIG_ERR);
    for (at = 0; at < sizeof numbers / sizeof *numbers; at++) {
        errno = numbers[at];
        raise(SIGUSR1);
        CHECK(errno_before == numbers[at] && errno_after == numbers[at]);
    }
    OK(tw_loop_run(loop));
}

static void after(int microseconds)
{
    struct itimerval timer;

    memset(&timer, 0, sizeof timer);
    timer.it_value.tv_usec = microseconds;
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* The same for a wait without an end, with and without a waiter, and for a loop on a thread of its own. */
static void stopping_every_way_of_driving(void)
{
    tw_loop_opts options = {.size = sizeof options, .flags = TW_LOOP_WAITER};
    tw_loop plain = loop;
    int i, way;

    for (way = 0; way < 2; way++) {
        if (way == 1) {
            OK(tw_loop_new(&options, &loop, NULL));
        }
        for (i = 0; i < 100; i++) {
            handled = 0;
            after(1 + i * 7 % 2000);
            while (!handled) {
                OK(tw_loop_poll(loop, -1));
            }
            /* If it came before the wait, it ended the next one; if not, there is nothing left of it. */
            OK(tw_loop_poll(loop, 0));
            handled = 0;
            after(1 + i * 7 % 2000);
            OK(tw_loop_run(loop));
            CHECK(handled == 1);
        }
    }
    OK(tw_loop_free(loop, 0));
    loop = new_loop();
    for (i = 0; i < 50; i++) {
        tw_status status;

        OK(tw_loop_start(loop));
        handled = 0;
        after(1 + i * 7 % 2000);
        do {
            status = tw_loop_poll(loop, 0); /* busy until its thread has ended */
        } while (status == TW_EBUSY);
        OK(status);
        CHECK(handled == 1);
    }
    OK(tw_loop_free(loop, 0));
    loop = plain;
}

/* What /proc says that a thread named tw-loop blocks. */
static unsigned long long blocked_by_loop_thread(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned long long blocked = 0;
    struct dirent *task;

    while (tasks && (task = readdir(tasks))) {
        char path[300], line[256], name[64] = "";
        FILE *status;

        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        status = fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            sscanf(line, "Name: %63s", name);
            if (strcmp(name, "tw-loop") == 0) {
                sscanf(line, "SigBlk: %llx", &blocked);
            }
        }
        if (status) {
            fclose(status);
        }
    }
    if (tasks) {
        closedir(tasks);
    }
    return blocked;
}

static void the_own_thread_takes_no_signals(void)
{
    tw_loop other = new_loop();
    double end = now_s() + 10;
    unsigned long long blocked;

    OK(tw_loop_start(other));
    do {
        blocked = blocked_by_loop_thread();
    } while (!blocked && now_s() < end);
    CHECK(blocked & (1ull << (SIGALRM - 1)));
    CHECK(blocked & (1ull << (SIGTERM - 1)));
    OK(tw_loop_free(other, 0));
}

static int closes, messages;

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)user, (void)event;
    OK(tw_send(ws, TW_TEXT, "1", 1));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws, (void)user, (void)message;
    messages++;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user, (void)event;
    closes++;
}

static int echoes;

static void go_on(tw_ws ws, void *user, const tw_msg *message)
{
    int *left = user;

    CHECK(message->len == 100000 && message->flags == TW_BINARY);
    echoes++;
    if (--*left > 0) {
        OK(tw_send(ws, TW_BINARY, message->data, message->len));
    } else {
        OK(tw_close(ws, 1000, NULL));
    }
}

static void begin(tw_ws ws, void *user, const tw_open_ev *event)
{
    static char block[100000];

    (void)user, (void)event;
    OK(tw_send(ws, TW_BINARY, block, sizeof block));
}

static void end_cleanly(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user;
    CHECK(event->clean && event->code == 1000 && event->error == NULL);
    closes++;
}

static void count_signal(int number)
{
    (void)number;
    handled++;
}

/* System calls that signals interrupt are made again: nothing is lost, and no wait takes for ever. */
static void traffic_amid_signals(void)
{
    tw_events serving = no_events(), asking = no_events();
    struct itimerval often, never;
    struct sigaction action;
    double end = now_s() + 60 * slowness();
    int left = 200;
    uint16_t port;
    tw_server server;

    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal; /* without SA_RESTART */
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    serving.on_message = echo;
    server = listen_on(loop, &serving, NULL, &port);
    asking.on_open = begin;
    asking.on_message = go_on;
    asking.on_close = end_cleanly;
    connect_to(loop, port, &asking, &left);
    handled = echoes = closes = 0;
    memset(&never, 0, sizeof never);
    memset(&often, 0, sizeof often);
    often.it_value.tv_usec = often.it_interval.tv_usec = (suseconds_t)(200 * slowness());
    setitimer(ITIMER_REAL, &often, NULL);
    while (closes == 0) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, -1));
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(echoes == 200 && handled > 0);
    OK(tw_server_close(server, 0));
    closes = 0;
}

/* In the child every call says so, and freeing leaves the parent's connections alone. */
static void forking(void)
{
    tw_events server_events = no_events(), events = no_events();
    uint16_t port;
    tw_server server;
    tw_ws ws;
    int status;
    pid_t child;

    server_events.on_message = echo;
    server = listen_on(loop, &server_events, NULL, &port);
    events.on_open = on_open;
    events.on_message = on_message;
    events.on_close = on_close;
    ws = connect_to(loop, port, &events, NULL);
    while (messages < 1) {
        OK(tw_loop_poll(loop, 100));
    }
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        tw_loop other;

        CHECK_STATUS(TW_EFORKED, tw_send(ws, TW_TEXT, "x", 1));
        CHECK_STATUS(TW_EFORKED, tw_close(ws, 1000, NULL));
        CHECK_STATUS(TW_EFORKED, tw_loop_poll(loop, 0));
        CHECK_STATUS(TW_EFORKED, tw_loop_run(loop));
        CHECK_STATUS(TW_EFORKED, tw_loop_stop(loop));
        CHECK_STATUS(TW_EFORKED, tw_server_close(server, 0));
        OK(tw_loop_free(loop, 1000));
        CHECK(closes == 0);
        CHECK_STATUS(TW_EHANDLE, tw_loop_free(loop, 0));
        OK(tw_loop_new(NULL, &other, NULL));
        OK(tw_loop_poll(other, 0));
        OK(tw_loop_free(other, 0));
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(tw_send(ws, TW_TEXT, "2", 1));
    while (messages < 2) {
        OK(tw_loop_poll(loop, 100));
    }
    CHECK(tw_ready_state(ws) == 1 && closes == 0);
}

int main(void)
{
    loop = new_loop();
    stopping_in_a_handler();
    stopping_before_the_wait();
    a_handler_leaves_errno_alone();
    stopping_every_way_of_driving();
    traffic_amid_signals();
    the_own_thread_takes_no_signals();
    forking();
    OK(tw_loop_free(loop, 1000));
    CHECK(closes == 1);
    puts("ok");
    return 0;
}
