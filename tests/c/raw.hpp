// What the tests of the browser's class in C++ share: assertions, plain TCP on the thread of the loop, a relay.
#ifndef RAW_HPP
#define RAW_HPP

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <tightwire.hpp>
#include <unistd.h>
#include <utility>

#define CHECK(condition) ((condition) ? (void)0 : (std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition), std::exit(1)))

/// A descriptor that is closed at the end.
class tcp {
public:
    explicit tcp(int fd) : fd_(fd) { CHECK(fd >= 0); }
    tcp(tcp &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~tcp() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    /// Listens on a port of the system's choice; with a backlog of 0 there is room for one connection that nobody accepts.
    static tcp listener(int backlog = 16) {
        tcp made(::socket(AF_INET, SOCK_STREAM, 0));
        sockaddr_in any = local(0);
        CHECK(::bind(made.fd_, reinterpret_cast<sockaddr *>(&any), sizeof any) == 0 && ::listen(made.fd_, backlog) == 0);
        return made;
    }
    static tcp dial(int port) {
        tcp made(::socket(AF_INET, SOCK_STREAM, 0));
        sockaddr_in to = local(port);
        CHECK(::connect(made.fd_, reinterpret_cast<sockaddr *>(&to), sizeof to) == 0);
        return made;
    }
    tcp accept() const { return tcp(::accept(fd_, nullptr, nullptr)); }
    int port() const {
        sockaddr_in own{};
        socklen_t size = sizeof own;
        CHECK(::getsockname(fd_, reinterpret_cast<sockaddr *>(&own), &size) == 0);
        return ntohs(own.sin_port);
    }
    bool has_something() const {
        pollfd look{fd_, POLLIN, 0};
        return ::poll(&look, 1, 0) == 1;
    }
    /// What is there; empty if nothing is, or at the end.
    std::string read() const {
        char room[1 << 16];
        ssize_t got = has_something() ? ::recv(fd_, room, sizeof room, 0) : 0;
        return std::string(room, got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    void write(const std::string &data) const {
        CHECK(::send(fd_, data.data(), data.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(data.size()));
    }

private:
    static sockaddr_in local(int port) {
        sockaddr_in made{};
        made.sin_family = AF_INET;
        made.sin_port = htons(static_cast<std::uint16_t>(port));
        made.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return made;
    }
    int fd_;
};

inline std::string local_url(int port, const char *scheme = "ws") {
    return std::string(scheme) + "://127.0.0.1:" + std::to_string(port) + "/";
}

/// Drives the loop until it is so, for half a minute at most.
template <class F> void until(tw::loop &loop, F done) {
    for (int i = 0; i < 3000; i++) {
        if (done()) {
            return;
        }
        loop.poll(10);
    }
    CHECK(!"it never was");
}

/// What happened to a socket, in order.
struct trace {
    std::string said;
    void watch(tw::websocket &ws) {
        ws.onopen = [this](const tw::open_event &) { said += "open "; };
        ws.onmessage = [this](const tw::message &message) { said += message.is_text() ? message.text() + " " : "binary "; };
        ws.onerror = [this](const tw::error &) { said += "error "; };
        ws.onclose = [this](const tw::close_event &event) {
            said += std::to_string(event.code) + " " + event.reason + (event.clean ? "clean" : "unclean");
        };
    }
};

/// A server of the library behind a relay, on one thread with the client: what it answers is passed on when the test wants.
struct relayed {
    explicit relayed(tw::loop &on) : loop(on), listener(tcp::listener()) {
        server.onopen = [](tw::connection peer, const tw::open_event &) {
            peer.send("one");
            peer.send(static_cast<const void *>("\1\2"), 2);
            peer.close(3000, "done");
        };
        server.listen(on, "ws://127.0.0.1:0");
    }
    std::string url() const { return local_url(listener.port()); }
    tcp accept() {
        until(loop, [&] { return listener.has_something(); });
        return listener.accept();
    }
    /// Passes the request on, and gives all that the server has to say: 101, two messages and Close.
    std::string answer(const tcp &client) {
        const std::string end("\x88\x06\x0b\xb8" "done", 8);
        tcp behind = tcp::dial(server.port());
        std::string got;
        until(loop, [&] {
            behind.write(client.read());
            got += behind.read();
            return got.size() > end.size() && got.compare(got.size() - end.size(), end.size(), end) == 0;
        });
        return got;
    }
    /// Ends the stream once the client has answered the Close.
    void end(tcp client) const {
        until(loop, [&] { return client.read().find("\x88\x86") != std::string::npos; });
    }
    tw::loop &loop;
    tw::server server;
    tcp listener;
};

#endif
