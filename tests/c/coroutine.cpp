// Coroutines over the C++ wrapper (C++20).
#include <cstdio>
#include <cstdlib>
#include <tightwire_coroutine.hpp>

#define CHECK(condition) ((condition) ? (void)0 : (std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition), std::exit(1)))

static int port;

static std::string url() { return "ws://127.0.0.1:" + std::to_string(port) + "/"; }

static tw::task talk(tw::loop &loop, int *answers) {
    tw::awaitable_websocket ws(loop, url());
    co_await ws.open();
    CHECK(ws.get().ready_state() == tw::ready_state::open);
    for (int i = 0; i < 100; i++) {
        co_await ws.send("message " + std::to_string(i));
    }
    std::string binary(1 << 20, 'b');
    co_await ws.send(binary.data(), binary.size());
    while (std::optional<tw::received> message = co_await ws.receive()) {
        if (*answers < 100) {
            CHECK(message->is_text() && message->text() == "message " + std::to_string(*answers));
        } else {
            CHECK(!message->is_text() && message->text() == binary);
            ws.close(1000, "enough");
        }
        ++*answers;
    }
    CHECK(ws.closed() && ws.closed()->code == 1000 && ws.closed()->clean);
    loop.stop();
}

// More than may wait: each send() waits for room.
static tw::task flood(tw::loop &loop, int *sent) {
    tw_tuning tuning = tw_tuning();
    tuning.size = sizeof tuning;
    tuning.max_buffered = 100000;
    tw_client_opts options = tw_client_opts();
    options.tuning = &tuning;
    tw::awaitable_websocket ws(loop, url(), {}, options);
    co_await ws.open();
    std::string part(60000, 'x');
    for (int i = 0; i < 50; i++) {
        co_await ws.send(part);
        ++*sent;
    }
    for (int i = 0; i < 50; i++) {
        CHECK((co_await ws.receive())->size() == part.size());
    }
    loop.stop();
}

static tw::task refused(tw::loop &loop) {
    tw::awaitable_websocket ws(loop, "ws://127.0.0.1:1/");
    bool failed = false;
    try {
        co_await ws.open();
    } catch (const tw::error &error) {
        failed = error.error_code() == tw::errc::connect;
    }
    CHECK(failed && !co_await ws.receive());
    loop.stop();
}

static tw::task waits_for_ever(tw::loop &loop) {
    tw::awaitable_websocket ws(loop, url());
    co_await ws.open();
    co_await ws.receive();
    CHECK(!"a coroutine that was destroyed goes on");
}

static tw::task throws(tw::loop &loop) {
    tw::awaitable_websocket ws(loop, url());
    co_await ws.open();
    loop.stop();
    throw 42;
}

// Failures as values, and views.
static tw::task told(tw::loop &loop) {
    std::error_code failed, sent;
    tw::awaitable_websocket never(loop, "ftp://example.com/", failed);
    CHECK(failed == tw::errc::invalid_argument);
    co_await never.open(failed);
    CHECK(failed == tw::errc::invalid_argument && !co_await never.receive() && never.closed()->code == 1006);
    tw::awaitable_websocket nobody(loop, "ws://127.0.0.1:1/", failed);
    CHECK(!failed);
    co_await nobody.open(failed);
    CHECK(failed == tw::errc::connect);
    tw::awaitable_websocket ws(loop, url(), failed);
    co_await ws.send("early", sent);
    CHECK(sent == tw::errc::state);
    co_await ws.open(failed);
    CHECK(!failed);
    const std::vector<std::byte> bytes(3, std::byte{7});
    co_await ws.send(bytes, failed);
    co_await ws.send(std::string_view("text"), sent);
    std::optional<tw::received> message = co_await ws.receive();
    CHECK(!failed && !sent && message && message->span().size() == 3 && message->span()[2] == std::byte{7});
    message = co_await ws.receive();
    CHECK(message && message->view() == "text");
    ws.close(1005, "", failed);
    CHECK(failed == tw::errc::invalid_argument);
    loop.stop();
}

int main() {
    tw::loop loop;
    tw::server server;
    server.onmessage = [](tw::connection ws, const tw::message &message) { ws.send(message); };
    server.listen(loop, "ws://127.0.0.1:0");
    port = server.port();
    int answers = 0, sent = 0;
    {
        tw::task running = talk(loop, &answers);
        loop.run();
        CHECK(running.done() && answers == 101);
    }
    {
        tw::task running = flood(loop, &sent);
        loop.run();
        CHECK(running.done() && sent == 50);
    }
    {
        tw::task running = told(loop);
        loop.run();
        CHECK(running.done());
        running.get();
    }
    {
        tw::task running = refused(loop);
        loop.run();
        CHECK(running.done());
    }
    {
        tw::task running = waits_for_ever(loop);
        for (int i = 0; i < 20; i++) {
            loop.poll(5);
        }
        CHECK(!running.done());
    }
    for (int i = 0; i < 5; i++) {
        loop.poll(1);
    }
    tw::task running = throws(loop);
    loop.run();
    CHECK(running.done());
    try {
        running.get();
        CHECK(!"nothing was thrown");
    } catch (int thrown) {
        CHECK(thrown == 42);
    }
    return 0;
}
