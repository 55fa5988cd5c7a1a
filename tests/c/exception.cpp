// An exception that leaves a callback ends the process with one line that names the callback.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tightwire.h>
#include <unistd.h>

static void throws(void *) { throw std::runtime_error("out of a callback"); }

static void child(int output) {
    dup2(output, STDERR_FILENO);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    tw_loop loop;
    if (tw_loop_new(nullptr, &loop, nullptr) || tw_post(loop, throws, nullptr)) {
        _exit(1);
    }
    try {
        tw_loop_poll(loop, 1000);
    } catch (...) {
        _exit(2);
    }
    _exit(3);
}

int main() {
    int ends[2];
    if (pipe(ends) != 0) {
        return 1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        child(ends[1]);
    }
    close(ends[1]);
    char text[4096] = "";
    std::size_t have = 0;
    ssize_t got;
    while (have < sizeof text - 1 && (got = read(ends[0], text + have, sizeof text - 1 - have)) > 0) {
        have += static_cast<std::size_t>(got);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    bool named = std::strstr(text, "tightwire: an exception left the callback tw_post") != nullptr;
    if (!aborted || !named) {
        std::fprintf(stderr, "failed: status %d, said: %s\n", status, text);
        return 1;
    }
    std::puts("ok");
    return 0;
}
