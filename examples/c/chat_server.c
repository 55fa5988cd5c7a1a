/* A chat: everything that one client says goes to all, with its nickname, which is the path of its URL. Nicknames
 * are taken once: who asks for one that is taken is refused.
 *
 *   cc chat_server.c $(pkg-config --cflags --libs tightwire) -o chat_server
 *   ./chat_server ws://127.0.0.1:9001
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>

struct member {
    struct member *next;
    tw_server server;
    char name[32];
};

static struct member *members;

static void say(const struct member *member, const char *text, size_t len)
{
    char line[1100];
    int size = snprintf(line, sizeof line, "%s: %.*s", member->name, (int)(len > 1000 ? 1000 : len), text);

    /* Cut within a character it would be no text any more, and is not sent. */
    tw_broadcast(member->server, TW_TEXT, line, (size_t)size, NULL);
}

static void on_open(tw_ws ws, void *user, const tw_open_ev *opened)
{
    (void)ws, (void)opened;
    say(user, "is here", 7);
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    (void)ws;
    say(user, message->data, message->len);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    struct member *member = user, **place = &members;

    (void)ws, (void)closed;
    while (*place != member) {
        place = &(*place)->next;
    }
    *place = member->next;
    say(member, "is gone", 7);
    free(member);
}

/* Gives each connection a `user` of its own. */
static void on_request(tw_server server, void *user, tw_ws ws, const tw_request *request)
{
    tw_events events = {.size = sizeof events, .on_open = on_open, .on_message = on_message, .on_close = on_close};
    const char *name = request->target.ptr + 1;
    struct member *member;

    (void)user;
    if (*name == 0 || strlen(name) >= sizeof member->name) {
        tw_reject(ws, 400, NULL, "the path is to be a short name\n", 31);
        return;
    }
    for (member = members; member; member = member->next) {
        if (strcmp(member->name, name) == 0) {
            tw_reject(ws, 409, NULL, "this name is taken\n", 19);
            return;
        }
    }
    if ((member = calloc(1, sizeof *member)) == NULL) {
        tw_reject(ws, 503, NULL, "no memory\n", 10);
        return;
    }
    member->server = server;
    strcpy(member->name, name);
    member->next = members;
    members = member;
    tw_accept(ws, NULL, NULL, &events, member);
}

int main(int argc, char **argv)
{
    tw_events none = {.size = sizeof none};
    tw_server_opts options = {.size = sizeof options, .events = &none, .on_request = on_request};
    tw_loop loop;
    tw_server server;
    tw_error error;
    uint16_t port;

    options.listen = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    if (tw_loop_new(NULL, &loop, &error) || tw_listen(loop, &options, &server, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_server_port(server, &port);
    printf("port %u\n", port);
    fflush(stdout);
    tw_loop_run(loop);
    return tw_loop_free(loop, 1000);
}
