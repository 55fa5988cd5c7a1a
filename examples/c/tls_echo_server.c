/* An echo server for wss:// that reads its certificate anew upon SIGHUP and ends upon SIGTERM or SIGINT.
 *
 *   cc tls_echo_server.c $(pkg-config --cflags --libs tightwire) -o tls_echo_server
 *   ./tls_echo_server wss://127.0.0.1:9443 cert.pem key.pem
 */
#include <signal.h>
#include <stdio.h>
#include <tightwire.h>

static tw_loop loop;
static volatile sig_atomic_t hung_up, ended;

static void echo(tw_ws ws, void *user, const tw_msg *message)
{
    (void)user;
    if (tw_send(ws, message->flags, message->data, message->len) == TW_EAGAIN) {
        tw_close(ws, 1013, "you do not read"); /* a slow reader, with 16 MiB waiting for it */
    }
}

/* tw_loop_stop may be called here; nearly nothing else of any library may. */
static void on_signal(int number)
{
    if (number == SIGHUP) {
        hung_up = 1;
    } else {
        ended = 1;
    }
    tw_loop_stop(loop);
}

static tw_tls certificate(char **files)
{
    tw_tls_opts options = {.size = sizeof options, .cert_file = files[0], .key_file = files[1]};
    tw_tls made = 0;
    tw_error error;

    if (tw_tls_new(&options, &made, &error)) {
        fprintf(stderr, "%s\n", error.text);
    }
    return made;
}

static void renew(tw_server server, char **files)
{
    tw_tls tls = certificate(files);

    if (tls != 0) {
        tw_server_set_tls(server, tls); /* who is connected stays connected */
        tw_tls_free(tls);
        printf("certificate read\n");
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    tw_events events = {.size = sizeof events, .on_message = echo};
    tw_server_opts options = {.size = sizeof options, .events = &events};
    tw_server server;
    tw_error error;
    uint16_t port;
    tw_tls tls;

    if (argc != 4) {
        fprintf(stderr, "usage: %s wss://HOST:PORT CERT KEY\n", argv[0]);
        return 2;
    }
    options.listen = argv[1];
    options.tls = tls = certificate(argv + 2);
    if (tls == 0 || tw_loop_new(NULL, &loop, &error)) {
        return 1;
    }
    if (tw_listen(loop, &options, &server, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_tls_free(tls); /* the server has its own reference */
    signal(SIGHUP, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    tw_server_port(server, &port);
    printf("port %u\n", port);
    fflush(stdout);
    while (!ended) {
        tw_loop_run(loop);
        if (hung_up) {
            hung_up = 0; /* before the files are read: a SIGHUP meanwhile has them read once more */
            renew(server, argv + 2);
        }
    }
    return tw_loop_free(loop, 1000);
}
