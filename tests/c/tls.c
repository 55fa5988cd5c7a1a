/* The options of TLS: pins, certificates of clients, certificates by name, replacing them, key logs. */
#include "check.h"

#include "authority.h"

#include <stddef.h>
#include <sys/stat.h>

#define PEM(member, text) .member##_pem = text, .member##_pem_len = sizeof text - 1

static tw_loop loop;

static tw_tls tls_of(tw_tls_opts options)
{
    tw_error error;
    tw_tls tls = 0;
    tw_status status;

    options.size = sizeof options;
    status = tw_tls_new(&options, &tls, &error);
    if (status) {
        fprintf(stderr, "%s\n", error.text);
    }
    OK(status);
    return tls;
}

static void refuses(tw_status expected, tw_tls_opts options, const char *what)
{
    tw_error error;
    tw_tls tls = 0;

    options.size = sizeof options;
    CHECK_STATUS(expected, tw_tls_new(&options, &tls, &error));
    if (strstr(error.text, what) == NULL) {
        fprintf(stderr, "not about %s: %s\n", what, error.text);
    }
    CHECK(strstr(error.text, what) != NULL);
}

static void arguments_are_checked(void)
{
    const char *short_pin[] = {first_pin, "sha256//AAAA", NULL};
    tw_tls_cert half = {PEM(cert, second_certificate)};
    tw_tls_cert mixed = {PEM(cert, second_certificate), PEM(key, first_key)};
    tw_tls_cert good = {PEM(cert, second_certificate), PEM(key, second_key)};

    refuses(TW_EINVAL, (tw_tls_opts){.pins = short_pin}, "sha256//AAAA");
    refuses(TW_ETLS, (tw_tls_opts){.keylog_file = "/no/such/folder/keys"}, "keylog_file: /no/such/folder/keys");
    refuses(TW_EINVAL, (tw_tls_opts){.keylog_file = "x", .flags = TW_TLS_KEYLOG_FROM_ENV}, "keylog_file");
    refuses(TW_EINVAL, (tw_tls_opts){.flags = TW_TLS_REQUIRE_CLIENT}, "cert_file");
    refuses(TW_EINVAL, (tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key), .flags = TW_TLS_OPTIONAL_CLIENT},
            "ca_file");
    refuses(TW_EINVAL,
            (tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key), PEM(ca, authority),
                          .flags = TW_TLS_REQUIRE_CLIENT | TW_TLS_OPTIONAL_CLIENT},
            "exclude");
    refuses(TW_EINVAL, (tw_tls_opts){.more_certs = &good, .more_certs_len = 1}, "first certificate");
    refuses(TW_EINVAL, (tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key), .more_certs_len = 1}, "more_certs");
    refuses(TW_EINVAL,
            (tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key), .more_certs = &half, .more_certs_len = 1},
            "more_certs[0].key_file");
    refuses(TW_ETLS,
            (tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key), .more_certs = &mixed, .more_certs_len = 1},
            "more_certs[0].cert_pem");
}

static void programs_of_the_first_version_still_run(void)
{
    tw_tls_opts options = {.size = offsetof(tw_tls_opts, pins), PEM(ca, authority)};
    const char *wrong[] = {"no pin at all", NULL};
    tw_tls tls;

    /* What is behind the size is not looked at. */
    options.pins = wrong;
    OK(tw_tls_new(&options, &tls, NULL));
    OK(tw_tls_free(tls));
    options.size--;
    CHECK_STATUS(TW_EINVAL, tw_tls_new(&options, &tls, NULL));
}

/* ---- conversations -------------------------------------------------------------------------- */

struct conversation {
    int opened, echoed, over, code;
    char why[256];
};

static void on_open(tw_ws ws, void *user, const tw_open_ev *event)
{
    struct conversation *conversation = user;

    (void)event;
    conversation->opened = 1;
    OK(tw_send(ws, TW_TEXT, "hello", 5));
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct conversation *conversation = user;

    (void)ws;
    CHECK(message->len == 5);
    conversation->echoed++;
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *event)
{
    struct conversation *conversation = user;

    (void)ws;
    conversation->over = 1;
    if (event->error) {
        conversation->code = event->error->code;
        snprintf(conversation->why, sizeof conversation->why, "%s", event->error->text);
    }
}

static tw_server serve(tw_tls tls, uint16_t *port)
{
    static const char *const hosts[] = {"*", NULL};
    tw_events events = no_events();
    tw_server_opts options = {.size = sizeof options, .listen = "wss://127.0.0.1:0", .hosts = hosts};
    tw_server server;

    events.on_message = echo;
    options.tls = tls;
    options.events = &events;
    OK(tw_listen(loop, &options, &server, NULL));
    OK(tw_server_port(server, port));
    return server;
}

/* Connects and waits for the echo or the end. */
static tw_ws meet(uint16_t port, tw_tls tls, const char *name, struct conversation *conversation)
{
    tw_events events = no_events();
    tw_client_opts options = {.size = sizeof options, .tls = tls, .tls_name = name};
    double end = now_s() + 30 * slowness();
    char url[64];
    tw_ws ws;

    memset(conversation, 0, sizeof *conversation);
    snprintf(url, sizeof url, "wss://127.0.0.1:%d/", port);
    events.on_open = on_open;
    events.on_message = on_message;
    events.on_close = on_close;
    options.url = url;
    options.events = &events;
    options.user = conversation;
    OK(tw_connect(loop, &options, &ws, NULL));
    while (!conversation->echoed && !conversation->over) {
        CHECK(now_s() < end);
        OK(tw_loop_poll(loop, 100));
    }
    return ws;
}

static void accepted(uint16_t port, tw_tls tls, const char *name)
{
    struct conversation conversation;
    tw_ws ws = meet(port, tls, name, &conversation);

    if (conversation.over) {
        fprintf(stderr, "%s\n", conversation.why);
    }
    CHECK(conversation.echoed && !conversation.over);
    OK(tw_close(ws, 1000, ""));
    poll_until(loop, &conversation.over);
    OK(tw_tls_free(tls));
}

static void refused(uint16_t port, tw_tls tls, const char *name, const char *why)
{
    struct conversation conversation;

    meet(port, tls, name, &conversation);
    CHECK(conversation.over && !conversation.opened);
    if (conversation.code != TW_ECERT || strstr(conversation.why, why) == NULL) {
        fprintf(stderr, "not about %s: %s\n", why, conversation.why);
    }
    CHECK(conversation.code == TW_ECERT && strstr(conversation.why, why) != NULL);
    OK(tw_tls_free(tls));
}

/* A client that trusts the authority and demands a pin. */
static tw_tls pinned(const char *pin)
{
    const char *pins[] = {pin, NULL};

    return tls_of((tw_tls_opts){PEM(ca, authority), .flags = TW_TLS_ONLY_THESE_CAS, .pins = pins});
}

static void pins_are_demanded_besides_all_else(void)
{
    const char *both[] = {second_pin, first_pin, NULL};
    const char *wrong[] = {second_pin, NULL};
    uint16_t port;
    tw_tls tls = tls_of((tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key)});
    tw_server server = serve(tls, &port);

    accepted(port, pinned(first_pin), NULL);
    accepted(port, tls_of((tw_tls_opts){PEM(ca, authority), .flags = TW_TLS_ONLY_THESE_CAS, .pins = both}), NULL);
    refused(port, pinned(second_pin), NULL, "pin");
    refused(port, pinned(first_pin), "other.example", "other.example");
    /* A pin alone is a way to trust a single device. */
    accepted(port, tls_of((tw_tls_opts){.flags = TW_TLS_DANGER_NO_VERIFY, .pins = both}), NULL);
    refused(port, tls_of((tw_tls_opts){.flags = TW_TLS_DANGER_NO_VERIFY, .pins = wrong}), NULL, first_pin);
    OK(tw_tls_free(tls));
    OK(tw_server_close(server, 0));
}

static tw_tls stranger(void)
{
    return tls_of((tw_tls_opts){PEM(ca, authority), .flags = TW_TLS_ONLY_THESE_CAS});
}

static void clients_have_certificates(void)
{
    const uint32_t rules[] = {TW_TLS_REQUIRE_CLIENT, TW_TLS_OPTIONAL_CLIENT};
    size_t i;

    for (i = 0; i < 2; i++) {
        uint16_t port;
        tw_tls tls = tls_of((tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key), PEM(ca, authority),
                                          .flags = rules[i]});
        tw_server server = serve(tls, &port);

        accepted(port,
                 tls_of((tw_tls_opts){PEM(cert, client_certificate), PEM(key, client_key), PEM(ca, authority),
                                      .flags = TW_TLS_ONLY_THESE_CAS}),
                 NULL);
        if (rules[i] == TW_TLS_REQUIRE_CLIENT) {
            refused(port, stranger(), NULL, "demands a certificate");
        } else {
            accepted(port, stranger(), NULL);
        }
        OK(tw_tls_free(tls));
        OK(tw_server_close(server, 0));
    }
}

static void a_server_has_several_certificates(void)
{
    tw_tls_cert other = {PEM(cert, other_certificate), PEM(key, other_key)};
    uint16_t port;
    tw_tls tls = tls_of(
        (tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key), .more_certs = &other, .more_certs_len = 1});
    tw_server server = serve(tls, &port);

    accepted(port, pinned(first_pin), NULL);
    accepted(port, pinned(first_pin), "localhost");
    accepted(port, pinned(other_pin), "other.example");
    OK(tw_tls_free(tls));
    OK(tw_server_close(server, 0));
}

static void certificates_are_replaced_under_open_connections(void)
{
    tw_events events = no_events();
    struct conversation conversation;
    uint16_t port, same_port, plain_port;
    tw_tls first = tls_of((tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key)});
    tw_tls second = tls_of((tw_tls_opts){PEM(cert, second_certificate), PEM(key, second_key)});
    tw_tls nothing = stranger();
    tw_server server = serve(first, &port);
    tw_server same = serve(first, &same_port);
    tw_server plain = listen_on(loop, &events, NULL, &plain_port);
    tw_tls trust = pinned(first_pin);
    tw_ws ws = meet(port, trust, NULL, &conversation);

    CHECK(conversation.echoed == 1);
    CHECK_STATUS(TW_EINVAL, tw_server_set_tls(server, nothing));
    CHECK_STATUS(TW_EINVAL, tw_server_set_tls(plain, second));
    CHECK_STATUS(TW_EHANDLE, tw_server_set_tls(server, 0));
    CHECK_STATUS(TW_EHANDLE, tw_server_set_tls(ws, second));
    accepted(port, pinned(first_pin), NULL);
    OK(tw_server_set_tls(server, second));
    OK(tw_tls_free(second));
    accepted(port, pinned(second_pin), NULL);
    refused(port, pinned(first_pin), NULL, "pin");
    /* The other server with that configuration, and the connection of before, have what they had. */
    accepted(same_port, pinned(first_pin), NULL);
    OK(tw_send(ws, TW_TEXT, "hello", 5));
    while (conversation.echoed < 2) {
        OK(tw_loop_poll(loop, 100));
        CHECK(!conversation.over);
    }
    OK(tw_close(ws, 1000, ""));
    poll_until(loop, &conversation.over);
    OK(tw_server_close(server, 0));
    CHECK_STATUS(TW_EHANDLE, tw_server_set_tls(server, first));
    OK(tw_server_close(same, 0));
    OK(tw_server_close(plain, 0));
    OK(tw_tls_free(first));
    OK(tw_tls_free(nothing));
    OK(tw_tls_free(trust));
}

/* How many lines a file has; it is for nobody else to read. */
static int lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    struct stat about;
    int lines = 0, c;

    if (!file) {
        return 0;
    }
    CHECK(fstat(fileno(file), &about) == 0 && (about.st_mode & 0777) == 0600);
    while ((c = getc(file)) != EOF) {
        lines += c == '\n';
    }
    fclose(file);
    return lines;
}

static void secrets_are_logged_for_who_asks(void)
{
    char folder[] = "/tmp/tightwire-XXXXXX", ours[64], theirs[64];
    uint16_t port;
    tw_tls tls;
    tw_server server;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(ours, sizeof ours, "%s/client", folder);
    snprintf(theirs, sizeof theirs, "%s/environment", folder);
    CHECK(setenv("SSLKEYLOGFILE", theirs, 1) == 0);
    tls = tls_of((tw_tls_opts){PEM(cert, first_certificate), PEM(key, first_key), .min_version = 0x0304});
    server = serve(tls, &port);
    accepted(port, stranger(), NULL);
    CHECK(access(theirs, F_OK) != 0);
    accepted(port,
             tls_of((tw_tls_opts){PEM(ca, authority), .flags = TW_TLS_ONLY_THESE_CAS | TW_TLS_NO_RESUMPTION,
                                  .keylog_file = ours}),
             NULL);
    CHECK(lines_of(ours) == 5 && access(theirs, F_OK) != 0);
    accepted(port,
             tls_of((tw_tls_opts){PEM(ca, authority), .flags = TW_TLS_ONLY_THESE_CAS | TW_TLS_KEYLOG_FROM_ENV}), NULL);
    CHECK(lines_of(theirs) == 5);
    OK(tw_tls_free(tls));
    OK(tw_server_close(server, 0));
    CHECK(unlink(ours) == 0 && unlink(theirs) == 0 && rmdir(folder) == 0);
}

int main(void)
{
    unsetenv("SSLKEYLOGFILE");
    loop = new_loop();
    arguments_are_checked();
    programs_of_the_first_version_still_run();
    pins_are_demanded_besides_all_else();
    clients_have_certificates();
    a_server_has_several_certificates();
    certificates_are_replaced_under_open_connections();
    secrets_are_logged_for_who_asks();
    OK(tw_loop_free(loop, 0));
    return 0;
}
