/* A client for benchmark harnesses, with the C interface: client TASK URL SIZE SECONDS [MICROSECONDS]

   TASK is `rtt` (sends SIZE bytes, waits for their echo, and so on) or `recv` (counts the messages that the URL sends).
   Warms up for 0.2 s, then prints one JSON object: messages a second, round trips in microseconds, CPU a message. With
   MICROSECONDS the loop spins for so long before it sleeps (tw_loop_opts.spin_us). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <tightwire.h>
#include <time.h>

#define WARM_UP 0.2
#define MOST_TIMES (1u << 22)

static tw_loop loop;
static int round_trips;
static char *body;
static size_t size, count, times;
static double seconds, began, last, cpu_before;
static int warm;
static float *lasted;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int ascending(const void *one, const void *other)
{
    float a = *(const float *)one, b = *(const float *)other;

    return (a > b) - (a < b);
}

static double quantile(double part)
{
    return times ? (double)lasted[(size_t)((double)(times - 1) * part)] : 0;
}

static void report(double time)
{
    double used = cpu() - cpu_before;

    qsort(lasted, times, sizeof *lasted, ascending);
    printf("{\"rate\":%.1f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"client_cpu\":%.3f,\"client_us_per_msg\":%.4f}\n",
           (double)count / time, quantile(0.5), quantile(0.99), used / time, used * 1e6 / (double)count);
}

/* One more message; whether that is enough. */
static int tick(void)
{
    double time;

    count++;
    if (!round_trips && count % 64) {
        return 0;
    }
    time = now();
    if (warm && round_trips && times < MOST_TIMES) {
        lasted[times++] = (float)((time - last) * 1e6);
    }
    last = time;
    if (!warm) {
        if (time - began > WARM_UP) {
            warm = 1;
            count = 0;
            began = time;
            cpu_before = cpu();
        }
        return 0;
    }
    if (time - began < seconds) {
        return 0;
    }
    report(time - began);
    return 1;
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    (void)user, (void)event;
    if (round_trips) {
        tw_send(ws, TW_BINARY, body, size);
    }
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user, (void)message;
    if (tick()) {
        tw_abort(ws);
    } else if (round_trips) {
        tw_send(ws, TW_BINARY, body, size);
    }
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    (void)ws, (void)user;
    if (event->error && !warm) {
        fprintf(stderr, "client: %s\n", event->error->text);
    }
    tw_loop_stop(loop);
}

int main(int argc, char **argv)
{
    tw_ws ws;
    tw_error error;
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_message = on_message, .on_close = on_close};
    tw_tuning tuning = {.size = sizeof tuning, .deflate = TW_DEFLATE_OFF};
    tw_client_opts opts = {.size = sizeof opts, .events = &events, .tuning = &tuning};
    tw_loop_opts settings = {.size = sizeof settings};

    if (argc != 5 && argc != 6) {
        fputs("usage: client rtt|recv URL SIZE SECONDS [MICROSECONDS]\n", stderr);
        return 2;
    }
    settings.spin_us = argc == 6 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0;
    round_trips = strcmp(argv[1], "rtt") == 0;
    opts.url = argv[2];
    size = strtoul(argv[3], NULL, 10);
    seconds = strtod(argv[4], NULL);
    body = calloc(size + 1, 1);
    lasted = malloc(MOST_TIMES * sizeof *lasted);
    if (!body || !lasted) {
        return 1;
    }
    began = last = now();
    if (tw_loop_new(&settings, &loop, &error) || tw_connect(loop, &opts, &ws, &error)) {
        fprintf(stderr, "client: %s\n", error.text);
        return 1;
    }
    tw_loop_run(loop);
    tw_loop_free(loop, 0);
    free(body);
    free(lasted);
    return !warm;
}
