/* Ways out of a callback that are none: longjmp, pthread_exit, a cancelled thread, and returning in a forked child.
 * Each ends its process with one line that names the callback. And what only looks like one: jumps within a callback,
 * other stacks, and a child that jumps away. */
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"

static jmp_buf outside;
static tw_loop loop, later_loop;
static tw_ws last_ws;
static const char *place = ""; /* the callback that is left */
static void (*leave)(void);
static int calls, orphaned; /* this is a child that was forked in a callback */

static void jump(void)
{
    longjmp(outside, 1);
}

static void end_thread(void)
{
    pthread_exit(NULL);
}

static void cancel_thread(void)
{
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

static void return_in_a_child(void)
{
    int status;
    pid_t child = fork();

    if (child > 0) {
        CHECK(waitpid(child, &status, 0) == child);
        end_child(!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT);
    }
    orphaned = 1;
}

static void here(const char *name)
{
    if (strcmp(place, name) == 0) {
        calls++;
        leave();
    }
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)user, (void)opened;
    last_ws = ws;
    here("on_open");
    CHECK_STATUS(orphaned ? TW_EFORKED : TW_OK, tw_send(ws, TW_TEXT, "x", 1));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user, (void)message;
    here("on_message");
    CHECK_STATUS(orphaned ? TW_EFORKED : TW_OK, tw_close(ws, 1000, NULL));
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws, (void)user, (void)closed;
    here("on_close");
}

static void on_log(void *user, int32_t level, const char *text, size_t len)
{
    (void)user, (void)level, (void)text, (void)len;
    here("on_log");
}

static void posted(void *user)
{
    (void)user;
    here("tw_post");
}

static void timed(void *user)
{
    (void)user;
    here("tw_timer_start");
}

static void start(void)
{
    tw_loop_opts options = {.size = sizeof options, .on_log = on_log, .log_level = TW_LOG_DEBUG};
    static tw_events serving, asking;
    uint16_t port;

    OK(tw_loop_new(&options, &loop, NULL));
    later_loop = new_loop();
    serving = asking = no_events();
    serving.on_message = echo;
    asking.on_open = on_open;
    asking.on_message = on_message;
    asking.on_close = on_close;
    listen_on(loop, &serving, NULL, &port);
    last_ws = connect_to(loop, port, &asking, NULL);
    OK(tw_post(loop, posted, NULL));
    OK(tw_timer_start(loop, 1, 0, timed, NULL, NULL));
}

static void drive(void)
{
    double end = now_s() + 30 * slowness();

    while (now_s() < end) {
        OK(tw_loop_poll(loop, 50));
    }
}

/* ---- the next call, of whatever kind --------------------------------------------------------- */

static void calls_poll(void) { tw_loop_poll(loop, 0); }
static void calls_another_loop(void) { tw_loop_poll(later_loop, 0); }
static void calls_free(void) { tw_loop_free(loop, 0); }
static void calls_send(void) { tw_send(last_ws, TW_TEXT, "x", 1); }
static void calls_abort(void) { tw_abort(last_ws); }
static void calls_state(void) { tw_ready_state(last_ws); }
static void calls_post(void) { tw_post(later_loop, posted, NULL); }
static void calls_timer(void) { tw_timer_start(loop, 1, 0, timed, NULL, NULL); }
static void calls_start(void) { tw_loop_start(later_loop); }
static void calls_detach(void) { tw_detach(last_ws); }

/* Deeper than the callback was, over whatever is left of it. AddressSanitizer keeps variables elsewhere, so that there
 * it is not overwritten. */
#if defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define VARIABLES_ARE_ELSEWHERE 1
# endif
#endif
#ifndef VARIABLES_ARE_ELSEWHERE
static void calls_from_below(void)
{
    volatile char much[65536];
    size_t at;

    for (at = 0; at < sizeof much; at++) {
        much[at] = 'x';
    }
    tw_send(last_ws, TW_TEXT, (const char *)(uintptr_t)much, 1);
}
#endif

static void jumps_then(void (*call)(void))
{
    if (setjmp(outside) == 0) {
        drive();
        _exit(2);
    }
    tw_loop_stop(loop); /* says nothing: it may come from a handler with a stack of its own */
    call();
    _exit(3);
}

static void *in_a_thread(void *user)
{
    (void)user;
    drive();
    return NULL;
}

static void leaves_in_a_thread(void (*call)(void))
{
    pthread_t thread;

    (void)call;
    CHECK(pthread_create(&thread, NULL, in_a_thread, NULL) == 0);
    pthread_join(thread, NULL);
    _exit(3);
}

static void leaves_on_the_loops_thread(void (*call)(void))
{
    (void)call;
    OK(tw_loop_start(loop));
    for (;;) {
        pause();
    }
}

static void drives(void (*call)(void))
{
    (void)call;
    drive();
    _exit(3);
}

/* ---- the parent ------------------------------------------------------------------------------ */

/* Runs `way` in a child, which has to end with this line. */
static void dies(const char *callback, void (*how)(void), void (*way)(void (*)(void)), void (*call)(void), int signal,
                 const char *what)
{
    char expected[128], text[1024];
    struct rlimit none = {0, 0};
    size_t have = 0;
    int ends[2], status;
    ssize_t got;
    pid_t child;

    CHECK(pipe(ends) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &none);
        leave = how;
        start();
        place = callback;
        way(call);
        _exit(4);
    }
    close(ends[1]);
    while (have < sizeof text - 1 && (got = read(ends[0], text + have, sizeof text - 1 - have)) > 0) {
        have += (size_t)got;
    }
    text[have] = 0;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    snprintf(expected, sizeof expected, "tightwire: %s the callback %s\n", what, callback);
    if (strcmp(text, expected) != 0 || (signal ? !WIFSIGNALED(status) || WTERMSIG(status) != signal : status != 0)) {
        fprintf(stderr, "%s: expected %s  status %#x, said: %s\n", callback, expected, (unsigned)status, text);
        exit(1);
    }
}

static void what_leaves_a_callback_ends_the_process(void)
{
    static const char *const places[] = {"on_open", "on_message", "on_close", "on_log", "tw_post", "tw_timer_start"};
    static void (*const next[])(void) = {calls_poll,  calls_another_loop, calls_free,  calls_send,  calls_abort,
                                         calls_state, calls_post,         calls_timer, calls_start, calls_detach,
#ifndef VARIABLES_ARE_ELSEWHERE
                                         calls_from_below,
#endif
    };
    size_t at;

    for (at = 0; at < sizeof places / sizeof *places; at++) {
        dies(places[at], jump, jumps_then, calls_send, SIGABRT, "longjmp left");
        dies(places[at], end_thread, leaves_in_a_thread, NULL, SIGABRT, "an exception or pthread_exit left");
    }
    for (at = 0; at < sizeof next / sizeof *next; at++) {
        dies("on_message", jump, jumps_then, next[at], SIGABRT, "longjmp left");
    }
    dies("on_open", end_thread, leaves_on_the_loops_thread, NULL, SIGABRT, "an exception or pthread_exit left");
    dies("on_open", cancel_thread, leaves_in_a_thread, NULL, SIGABRT, "an exception or pthread_exit left");
    dies("on_message", return_in_a_child, drives, NULL, 0, "a forked child returned from");
    dies("on_log", return_in_a_child, drives, NULL, 0, "a forked child returned from");
}

/* ---- what is fine ---------------------------------------------------------------------------- */

static jmp_buf inside;
static ucontext_t callback_context, other_context;

static void jump_within(void)
{
    if (setjmp(inside) == 0) {
        longjmp(inside, 1);
    }
    OK(tw_send(last_ws, TW_TEXT, "after a jump", 12));
}

static void on_another_stack(void)
{
    OK(tw_send(last_ws, TW_TEXT, "from a coroutine", 16));
    CHECK_STATUS(TW_EREENTRANT, tw_loop_poll(loop, 0));
}

/* A coroutine of the callback's, as fiber libraries make them. */
static void switch_stacks(void)
{
    size_t size = 256 << 10;
    char *stack = malloc(size);

    CHECK(stack != NULL && getcontext(&other_context) == 0);
    other_context.uc_stack.ss_sp = stack;
    other_context.uc_stack.ss_size = size;
    other_context.uc_link = &callback_context;
    makecontext(&other_context, on_another_stack, 0);
    CHECK(swapcontext(&callback_context, &other_context) == 0);
    free(stack);
}

static void handler(int number)
{
    (void)number;
    OK(tw_loop_stop(loop));
}

/* A handler on a stack that is above the callback's. */
static void take_a_signal(void)
{
    OK(raise(SIGUSR1));
}

static void jump_in_a_child(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        longjmp(outside, 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void go_on(void (*how)(void), const char *callback)
{
    double end = now_s() + 30 * slowness();

    leave = how;
    calls = 0;
    start();
    place = callback;
    if (setjmp(outside) != 0) {
        /* Only the child comes here. */
        CHECK_STATUS(TW_EFORKED, tw_send(last_ws, TW_TEXT, "x", 1));
        CHECK_STATUS(TW_EFORKED, tw_loop_poll(loop, 0));
        OK(tw_loop_free(loop, 0));
        end_child(0);
    }
    while (calls == 0) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, 50));
    }
    OK(tw_loop_free(loop, 0));
    OK(tw_loop_free(later_loop, 0));
}

static void what_stays_within_is_fine(void)
{
    char above[65536];
    stack_t stack = {.ss_sp = above, .ss_size = sizeof above}, none = {.ss_flags = SS_DISABLE};
    struct sigaction action;

    go_on(jump_within, "on_open");
    go_on(switch_stacks, "on_open");
    go_on(jump_in_a_child, "on_open");
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    go_on(take_a_signal, "on_message");
    CHECK(sigaltstack(&none, NULL) == 0);
}

int main(void)
{
    what_stays_within_is_fine();
    what_leaves_a_callback_ends_the_process();
    return 0;
}
