// The C++ wrapper: a conversation, moves, exceptions, and destruction at awkward moments.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <tightwire.hpp>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::cerr << __FILE__ << ':' << __LINE__ << ": failed: " #condition "\n";              \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

static std::string url_of(const tw::server &server) {
    return "ws://127.0.0.1:" + std::to_string(server.port()) + "/path";
}

static tw::server echo_server(tw::loop &loop) {
    tw::server server;
    server.onmessage = [](tw::connection ws, const tw::message &m) { ws.send(m); };
    server.listen(loop, "ws://127.0.0.1:0");
    return server; // moved or elided: either way the callbacks follow
}

static void conversation() {
    tw::loop loop;
    tw::server server = echo_server(loop);
    tw::websocket ws;
    std::string said, reason;
    int pongs = 0;
    ws.onopen = [&](const tw::open_event &event) {
        CHECK(event.url() == url_of(server));
        CHECK(event.header("upgrade") != nullptr);
        CHECK(ws.url() == event.url());
        CHECK(ws.ready_state() == tw::ready_state::open);
        ws.ping("p");
        ws.send("gr\xc3\xbc\xc3\x9f");
    };
    ws.onpong = [&](const tw::message &pong) {
        CHECK(pong.text() == "p");
        pongs++;
    };
    ws.onmessage = [&](const tw::message &m) {
        CHECK(m.is_text());
        said = m.text();
        ws.close(4321, "enough");
    };
    ws.onclose = [&](const tw::close_event &event) {
        CHECK(event.clean && event.code == 4321);
        reason = event.reason;
        loop.stop();
    };
    ws.connect(loop, url_of(server));
    loop.run();
    CHECK(said == "gr\xc3\xbc\xc3\x9f" && reason == "enough" && pongs == 1);
    CHECK(ws.ready_state() == tw::ready_state::closed);
}

static void errors_are_exceptions() {
    tw::loop loop;
    tw::websocket ws;
    bool threw = false;
    try {
        ws.connect(loop, "ftp://nowhere");
    } catch (const tw::error &error) {
        threw = true;
        CHECK(error.code() == TW_EINVAL);
        CHECK(std::string(error.what()).find("ftp") != std::string::npos);
    }
    CHECK(threw);
    threw = false;
    try {
        ws.send("nobody is there");
    } catch (const tw::error &error) {
        threw = error.code() == TW_EHANDLE;
    }
    CHECK(threw);
    ws.close();
}

static void a_failure_is_told() {
    tw::loop loop;
    tw::websocket ws;
    std::string order;
    ws.onerror = [&](const tw::error &error) {
        CHECK(error.code() == TW_ECONNECT);
        order += "error ";
    };
    ws.onclose = [&](const tw::close_event &event) {
        CHECK(!event.clean && event.code == 1006 && event.error == TW_ECONNECT);
        order += "close";
        loop.stop();
    };
    ws.connect(loop, "ws://127.0.0.1:1");
    loop.run();
    CHECK(order == "error close");
}

static void exceptions_leave_run() {
    tw::loop loop;
    tw::server server = echo_server(loop);
    tw::websocket ws;
    ws.onopen = [](const tw::open_event &) { throw std::runtime_error("thrown in onopen"); };
    ws.connect(loop, url_of(server));
    std::string caught;
    try {
        loop.run();
    } catch (const std::runtime_error &error) {
        caught = error.what();
    }
    CHECK(caught == "thrown in onopen");
    // The loop goes on afterwards.
    bool called = false;
    loop.post([&] {
        called = true;
        loop.stop();
    });
    loop.run();
    CHECK(called);
}

static void no_callback_after_destruction() {
    tw::loop loop;
    tw::server server = echo_server(loop);
    auto ws = std::unique_ptr<tw::websocket>(new tw::websocket);
    int calls = 0;
    ws->onopen = [&](const tw::open_event &) {
        calls++;
        ws.reset(); // in its own callback
        loop.stop();
    };
    ws->onclose = [&](const tw::close_event &) { calls += 100; };
    ws->connect(loop, url_of(server));
    loop.run();
    for (int i = 0; i < 5; i++) {
        loop.poll(10);
    }
    CHECK(calls == 1);
}

static void destroyed_in_its_onclose() {
    tw::loop loop;
    tw::server server = echo_server(loop);
    auto ws = std::unique_ptr<tw::websocket>(new tw::websocket);
    ws->onopen = [&](const tw::open_event &) { ws->close(1000); };
    ws->onclose = [&](const tw::close_event &) {
        ws.reset();
        loop.stop();
    };
    ws->connect(loop, url_of(server));
    loop.run();
    CHECK(!ws);
}

static void callbacks_follow_a_move() {
    tw::loop loop;
    tw::server first = echo_server(loop);
    tw::server server = std::move(first);
    tw::websocket ws;
    bool closed = false;
    ws.onmessage = [&](const tw::message &) { CHECK(false); };
    ws.connect(loop, url_of(server));
    tw::websocket moved = std::move(ws);
    moved.onopen = [&](const tw::open_event &) { moved.send(std::string("x")); };
    moved.onmessage = [&](const tw::message &m) {
        CHECK(m.size() == 1);
        moved.close(1000);
    };
    moved.onclose = [&](const tw::close_event &) {
        closed = true;
        loop.stop();
    };
    loop.run();
    CHECK(closed);
}

static void the_loop_may_go_first() {
    tw::websocket ws;
    tw::server server;
    int closes = 0;
    {
        tw::loop loop;
        server = echo_server(loop);
        ws.onopen = [&](const tw::open_event &) { loop.stop(); };
        ws.onclose = [&](const tw::close_event &) { closes++; };
        ws.connect(loop, url_of(server));
        loop.run();
    }
    CHECK(closes == 1);
    ws.close();
}

static void compression_is_chosen_and_counted() {
    tw::loop loop;
    tw::server server;
    tw_tuning tuning = tw_tuning();
    tuning.size = sizeof tuning;
    tuning.deflate = TW_DEFLATE_SHARED;
    tw_server_opts options = tw_server_opts();
    options.tuning = &tuning;
    int echoes = 0;
    server.onmessage = [&](tw::connection peer, const tw::message &m) { peer.send(m); };
    server.listen(loop, "ws://127.0.0.1:0", options);
    tw::websocket ws;
    const std::string text(1000, 'x');
    ws.onopen = [&](const tw::open_event &event) {
        CHECK(event.extensions().find("permessage-deflate") == 0);
        ws.send(text, tw::compress::never);
        CHECK(ws.stats().deflate_sent == 0);
        ws.send("0123456789", tw::compress::always);
        CHECK(ws.stats().deflate_sent == 10);
        ws.send(text);
        CHECK(ws.stats().deflate_sent == 1010);
        CHECK(ws.stats().deflate_sent_compressed < 100);
    };
    ws.onmessage = [&](const tw::message &) {
        if (++echoes == 3) {
            CHECK(ws.stats().deflate_received == 2000);
            ws.close(1000);
        }
    };
    ws.onclose = [&](const tw::close_event &) { loop.stop(); };
    ws.connect(loop, url_of(server));
    loop.run();
    CHECK(echoes == 3);
    CHECK(ws.stats().deflate_sent == 0);
}

static void comes_back() {
    tw::loop loop;
    tw::server server;
    tw::websocket ws;
    int accepted = 0, lost = 0;
    server.onopen = [&](tw::connection peer, const tw::open_event &) {
        if (++accepted == 1) {
            peer.abort();
        }
    };
    server.listen(loop, "ws://127.0.0.1:0");
    tw_reconnect_opts policy = tw_reconnect_opts();
    policy.size = sizeof policy;
    tw_client_opts options = tw_client_opts();
    options.reconnect = &policy;
    ws.onopen = [&](const tw::open_event &event) {
        if (event.reconnects() == 1) {
            server.close();
            ws.abort();
        }
    };
    ws.onreconnect = [&](const tw::reconnect_event &event) -> std::int64_t {
        CHECK(event.attempt == 1 && event.wait_ms >= 0 && event.lost.phase == "tcp");
        lost++;
        return 0;
    };
    ws.onclose = [&](const tw::close_event &event) {
        CHECK(event.phase == "app" && event.error == TW_ESHUTDOWN && event.attempts.empty());
        loop.stop();
    };
    ws.connect(loop, url_of(server), {}, options);
    loop.run();
    CHECK(lost == 1 && accepted == 2);
}

static void timers_pauses_and_broadcasts() {
    tw::loop loop;
    tw::server server;
    tw::websocket ws;
    std::unique_ptr<tw::timer> ticks;
    int count = 0, messages = 0;
    bool paused = false;
    server.onopen = [&](tw::connection, const tw::open_event &) {
        for (int i = 0; i < 3; i++) {
            CHECK(server.broadcast("hello") == 1);
        }
    };
    server.listen(loop, "ws://127.0.0.1:0");
    ws.onmessage = [&](const tw::message &) {
        CHECK(!paused);
        paused = true;
        ws.pause();
        messages++;
    };
    ws.onclose = [&](const tw::close_event &event) {
        CHECK(event.clean);
        loop.stop();
    };
    ticks.reset(new tw::timer(
        loop, 1,
        [&] {
            count++;
            if (messages == 3) {
                ws.close(1000);
                ticks.reset(); // within its own function
            } else if (paused) {
                paused = false;
                ws.resume();
            }
        },
        1));
    tw::timer never(loop, 1, [] { CHECK(false); });
    tw::timer moved = std::move(never);
    moved.stop();
    ws.connect(loop, url_of(server));
    loop.run();
    CHECK(messages == 3 && count >= 3 && !ticks);
    tw::timer throws(loop, 0, [] { throw std::runtime_error("from a timer"); });
    try {
        loop.run();
        CHECK(false);
    } catch (const std::runtime_error &error) {
        CHECK(std::string(error.what()) == "from a timer");
    }
}

int main() {
    timers_pauses_and_broadcasts();
    comes_back();
    compression_is_chosen_and_counted();
    conversation();
    errors_are_exceptions();
    a_failure_is_told();
    exceptions_leave_run();
    no_callback_after_destruction();
    destroyed_in_its_onclose();
    callbacks_follow_a_move();
    the_loop_may_go_first();
    std::cout << "ok\n";
}
