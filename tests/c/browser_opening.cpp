// How the browser's class in C++ opens: handlers that are late, the request, answers in pieces, a resolver that does not
// answer, giving up in each stage. The rest is in tests/browser/scenarios.
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <netdb.h>
#include <sstream>
#include <vector>

#include "raw.hpp"

namespace {

std::mutex resolver;
std::condition_variable resolver_changed;
bool resolver_answers = false;
int asked = 0, told = 0;

} // namespace

// In place of the system's, for the library, too: it does not answer until it is let.
extern "C" int getaddrinfo(const char *, const char *, const addrinfo *, addrinfo **) {
    std::unique_lock<std::mutex> held(resolver);
    asked++;
    resolver_changed.notify_all();
    resolver_changed.wait(held, [] { return resolver_answers; });
    told++;
    resolver_changed.notify_all();
    return EAI_NONAME;
}

namespace {

const char *const whole = "open one binary 3000 doneclean";

void handlers_that_are_set_late_miss_nothing() {
    tw::loop loop;
    relayed peer(loop);
    tw::websocket ws;
    trace seen;
    ws.connect(loop, peer.url());
    tcp client = peer.accept();
    std::string answer = peer.answer(client);
    client.write(answer);
    // All of the answer is there, and nobody has driven the loop since.
    seen.watch(ws);
    CHECK(ws.ready_state() == tw::ready_state::connecting && seen.said.empty());
    peer.end(std::move(client));
    until(loop, [&] { return seen.said == whole; });
}

void the_answer_and_frames_may_be_cut_anywhere() {
    std::size_t size = 2;
    for (std::size_t cut = 1; cut < size; cut++) {
        tw::loop loop;
        relayed peer(loop);
        tw::websocket ws;
        trace seen;
        seen.watch(ws);
        ws.connect(loop, peer.url());
        tcp client = peer.accept();
        std::string answer = peer.answer(client);
        size = answer.size();
        client.write(answer.substr(0, cut));
        loop.poll(0);
        loop.poll(0);
        client.write(answer.substr(cut));
        peer.end(std::move(client));
        until(loop, [&] { return seen.said == whole; });
    }
    CHECK(size > 100);
}

/// The request that a client of this URL sends.
std::string request_of(const std::string &url, tw_client_opts options) {
    tw::loop loop;
    tcp listener = tcp::listener();
    std::string to = "127.0.0.1:" + std::to_string(listener.port()), head;
    options.connect_to = to.c_str();
    tw::websocket ws;
    ws.connect(loop, url, {}, options);
    until(loop, [&] { return listener.has_something(); });
    tcp client = listener.accept();
    until(loop, [&] { return (head += client.read()).find("\r\n\r\n") != std::string::npos; });
    return head;
}

void host_and_origin_are_those_of_the_url_and_the_option() {
    const std::pair<const char *, const char *> hosts[] = {
        {"ws://example.com/", "example.com"},          {"ws://example.com:80/", "example.com"},
        {"ws://example.com:8080/", "example.com:8080"}, {"ws://user:word@EXAMPLE.com:81/", "example.com:81"},
        {"ws://[::1]/", "[::1]"},                       {"ws://[2001:DB8:0:0::1]:81/", "[2001:db8::1]:81"},
    };
    for (const auto &[url, host] : hosts) {
        std::string head = request_of(url, tw_client_opts());
        CHECK(head.rfind("GET / HTTP/1.1\r\n", 0) == 0);
        CHECK(head.find("\r\nHost: " + std::string(host) + "\r\n") != std::string::npos);
        CHECK(head.find("Origin") == std::string::npos);
    }
    tw_client_opts options = tw_client_opts();
    options.origin = "https://a.example";
    CHECK(request_of("ws://example.com/", options).find("\r\nOrigin: https://a.example\r\n") != std::string::npos);
}

void a_server_sends_nothing_of_the_drafts() {
    tw::loop loop;
    tw::server server;
    server.listen(loop, "ws://127.0.0.1:0");
    tcp client = tcp::dial(server.port());
    client.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    std::string head;
    until(loop, [&] { return (head += client.read()).find("\r\n\r\n") != std::string::npos; });
    CHECK(head.find("HSmrc0sMlYUkAGmm5OPpG2HaGWk=") != std::string::npos);
    CHECK(head.find("Sec-WebSocket-Origin") == std::string::npos && head.find("Sec-WebSocket-Location") == std::string::npos);
}

const char *const given_up = "error 1006 unclean";

void a_resolver_that_does_not_answer_holds_nobody_up() {
    tw::loop loop;
    tw::server server;
    server.onmessage = [](tw::connection peer, const tw::message &message) { peer.send(message); };
    server.listen(loop, "ws://127.0.0.1:0");
    tw::websocket stalled, other;
    trace seen, meanwhile;
    seen.watch(stalled);
    // It returns, although the resolver never does meanwhile.
    stalled.connect(loop, "ws://stalled.example/");
    CHECK(stalled.ready_state() == tw::ready_state::connecting);
    meanwhile.watch(other);
    other.onopen = [&](const tw::open_event &) { other.send("hello"); };
    other.onmessage = [&](const tw::message &) { other.close(1000); };
    other.connect(loop, local_url(server.port()));
    until(loop, [&] { return other.ready_state() == tw::ready_state::closed; });
    until(loop, [] {
        std::lock_guard<std::mutex> held(resolver);
        return asked == 1;
    });
    CHECK(meanwhile.said == "1000 clean" && seen.said.empty() && stalled.ready_state() == tw::ready_state::connecting);
    stalled.close();
    CHECK(stalled.ready_state() == tw::ready_state::closing && seen.said.empty());
    until(loop, [&] { return seen.said == given_up; });
    std::unique_lock<std::mutex> held(resolver);
    CHECK(told == 0);
    resolver_answers = true;
    resolver_changed.notify_all();
    resolver_changed.wait(held, [] { return told == 1; });
}

bool is_connecting_to(int port) {
    std::ifstream table("/proc/net/tcp");
    char wanted[32];
    // Peer and state: SYN_SENT.
    std::snprintf(wanted, sizeof wanted, " 0100007F:%04X 02 ", static_cast<unsigned>(port));
    for (std::string line; std::getline(table, line);) {
        if (line.find(wanted) != std::string::npos) {
            return true;
        }
    }
    return false;
}

/// Closes when `reached` says so, which is asked between turns.
template <class F> void gives_up(const std::string &url, F reached) {
    tw::loop loop;
    tw::websocket ws;
    trace seen;
    seen.watch(ws);
    ws.connect(loop, url);
    until(loop, reached);
    CHECK(ws.ready_state() == tw::ready_state::connecting);
    ws.close();
    CHECK(ws.ready_state() == tw::ready_state::closing && seen.said.empty());
    until(loop, [&] { return !seen.said.empty() && ws.ready_state() == tw::ready_state::closed; });
    CHECK(seen.said == given_up);
}

void close_gives_up_in_every_stage_of_opening() {
    {
        // There is no room for a second one: the system drops what would connect.
        tcp full = tcp::listener(0);
        tcp first = tcp::dial(full.port());
        gives_up(local_url(full.port()), [&] { return is_connecting_to(full.port()); });
    }
    for (const char *scheme : {"wss", "ws"}) {
        tcp listener = tcp::listener();
        std::vector<tcp> accepted;
        gives_up(local_url(listener.port(), scheme), [&] {
            if (accepted.empty() && listener.has_something()) {
                accepted.push_back(listener.accept());
            }
            return !accepted.empty() && accepted[0].has_something();
        });
    }
}

} // namespace

int main() {
    handlers_that_are_set_late_miss_nothing();
    the_answer_and_frames_may_be_cut_anywhere();
    host_and_origin_are_those_of_the_url_and_the_option();
    a_server_sends_nothing_of_the_drafts();
    a_resolver_that_does_not_answer_holds_nobody_up();
    close_gives_up_in_every_stage_of_opening();
    std::puts("ok");
}
