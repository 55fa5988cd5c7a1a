// An exception that leaves a callback, whichever, ends the process with one line that names the callback.
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tightwire.h>
#include <unistd.h>

namespace {

const char *const callbacks[] = {"on_open",    "on_message",   "on_chunk",         "on_ping",        "on_pong",
                                 "on_drain",   "on_error",     "on_close",         "on_reconnect",   "on_request",
                                 "on_log",     "tw_post",      "tw_timer_start",   "tw_loop_on_ready"};

/* The callback that throws in this process. */
std::string chosen;
tw_loop loop;
tw_ws accepted;

void here(const char *name) {
    if (chosen == name) {
        throw std::runtime_error("out of a callback");
    }
}

void on_open(tw_ws ws, void *, const tw_open_ev *) {
    static const char much[300000] = "";
    here("on_open");
    tw_send(ws, TW_BINARY, much, sizeof much);
    tw_ping(ws, "?", 1);
}

void on_message(tw_ws, void *, const tw_msg *) {
    here("on_message");
    if (chosen == "on_error" || chosen == "on_close" || chosen == "on_reconnect") {
        tw_abort(accepted);
    }
}

int64_t on_reconnect(tw_ws, void *, const tw_reconnect_ev *) {
    here("on_reconnect");
    return -1;
}

void serve_message(tw_ws ws, void *, const tw_msg *message) {
    accepted = ws;
    tw_send(ws, message->flags, message->data, message->len);
    tw_ping(ws, "!", 1);
}

void on_request(tw_server, void *, tw_ws ws, const tw_request *) {
    here("on_request");
    tw_accept(ws, nullptr, nullptr, nullptr, nullptr);
}

/* A connection that has one of everything. */
void talk() {
    tw_events serving{};
    serving.size = sizeof serving;
    serving.on_message = serve_message;
    tw_server_opts server{};
    server.size = sizeof server;
    server.listen = "ws://127.0.0.1:0";
    server.events = &serving;
    server.on_request = on_request;
    tw_server id;
    uint16_t port;
    if (tw_listen(loop, &server, &id, nullptr) || tw_server_port(id, &port)) {
        _exit(1);
    }
    tw_events events{};
    events.size = sizeof events;
    events.on_open = on_open;
    events.on_message = on_message;
    if (chosen == "on_chunk") {
        events.on_chunk = [](tw_ws, void *, const tw_msg *) { here("on_chunk"); };
    }
    events.on_ping = [](tw_ws, void *, const tw_msg *) { here("on_ping"); };
    events.on_pong = [](tw_ws, void *, const tw_msg *) { here("on_pong"); };
    events.on_drain = [](tw_ws, void *, uint64_t) { here("on_drain"); };
    events.on_error = [](tw_ws, void *, const tw_error *) { here("on_error"); };
    events.on_close = [](tw_ws, void *, const tw_close_ev *) { here("on_close"); };
    events.on_reconnect = on_reconnect;
    tw_reconnect_opts again{};
    again.size = sizeof again;
    const std::string url = "ws://127.0.0.1:" + std::to_string(port) + "/";
    tw_client_opts client{};
    client.size = sizeof client;
    client.url = url.c_str();
    client.events = &events;
    client.reconnect = chosen == "on_reconnect" ? &again : nullptr;
    tw_ws ws;
    if (tw_connect(loop, &client, &ws, nullptr)) {
        _exit(1);
    }
}

[[noreturn]] void child(const char *name, int output) {
    dup2(output, STDERR_FILENO);
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    chosen = name;
    tw_loop_opts options{};
    options.size = sizeof options;
    options.log_level = TW_LOG_TRACE;
    options.on_log = [](void *, int32_t, const char *, size_t) { here("on_log"); };
    options.flags = chosen == "tw_loop_on_ready" ? TW_LOOP_WAITER : 0;
    if (tw_loop_new(&options, &loop, nullptr)) {
        _exit(1);
    }
    try {
        if (options.flags) {
            tw_loop_on_ready(loop, [](void *) { here("tw_loop_on_ready"); }, nullptr);
        }
        talk();
        if (tw_post(loop, [](void *) { here("tw_post"); }, nullptr) ||
            tw_timer_start(loop, 1, 0, [](void *) { here("tw_timer_start"); }, nullptr, nullptr)) {
            _exit(1);
        }
        for (int turn = 0; turn < 1000; turn++) {
            tw_loop_poll(loop, 100);
        }
    } catch (...) {
        _exit(2);
    }
    _exit(3);
}

/* What a child says before it ends in this way, if it ends by SIGABRT. */
std::string last_words(const char *name) {
    int ends[2];
    if (pipe(ends) != 0) {
        return "no pipe";
    }
    const pid_t pid = fork();
    if (pid == 0) {
        child(name, ends[1]);
    }
    close(ends[1]);
    std::string text;
    char part[512];
    ssize_t got;
    while ((got = read(ends[0], part, sizeof part)) > 0) {
        text.append(part, static_cast<std::size_t>(got));
    }
    close(ends[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    return aborted ? text : "status " + std::to_string(status) + ": " + text;
}

} // namespace

int main() {
    int failed = 0;
    for (const char *name : callbacks) {
        const std::string expected =
            "tightwire: an exception or pthread_exit left the callback " + std::string(name) + "\n";
        const std::string text = last_words(name);
        if (text != expected) {
            std::fprintf(stderr, "%s: %s\n", name, text.c_str());
            failed = 1;
        }
    }
    return failed;
}
