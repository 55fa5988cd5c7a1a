// The wrapper: error codes, requests, pieces, buffers, headers, and lifetimes with a thread of the library's.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <tightwire.hpp>

#define CHECK(condition) ((condition) ? (void)0 : (std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition), std::exit(1)))

static std::string local(int port) { return "ws://127.0.0.1:" + std::to_string(port) + "/"; }

template <class F> static void until(tw::loop &loop, F done) {
    for (int i = 0; i < 3000 && !done(); i++) {
        loop.poll(10);
    }
    CHECK(done());
}

static void error_codes() {
    tw::loop loop;
    tw::server server;
    tw::websocket ws;
    std::error_code failed;
    std::string why;
    server.listen(loop, "nonsense", failed, tw_server_opts(), &why);
    CHECK(failed == tw::errc::invalid_argument && why.find("listen") != std::string::npos);
    ws.connect(loop, "ftp://example.com/", failed, {}, tw_client_opts(), &why);
    CHECK(failed == tw::errc::invalid_argument && why.find("url") != std::string::npos);
    CHECK(failed.category() == tw::category() && !failed.message().empty());
    server.listen(loop, "ws://127.0.0.1:0", failed);
    CHECK(!failed);
    ws.connect(loop, local(server.port()), failed);
    CHECK(!failed);
    ws.send("early", failed);
    CHECK(failed == tw::errc::state);
    until(loop, [&] { return ws.ready_state() == tw::ready_state::open; });
    ws.send("\xff", 1, failed);
    CHECK(!failed);
    ws.send(std::string("\xff"), failed);
    CHECK(failed == tw::errc::utf8);
    ws.ping(std::string(126, 'x'), failed);
    CHECK(failed == tw::errc::too_big);
    ws.close(1005, "", failed);
    CHECK(failed == tw::errc::invalid_argument);
    loop.stop();
    loop.run(failed);
    CHECK(!failed);
    try {
        ws.ping(std::string(126, 'x'));
        CHECK(!"nothing was thrown");
    } catch (const tw::error &error) {
        CHECK(error.error_code() == tw::errc::too_big);
    }
}

static void requests_and_pieces() {
    tw::loop loop;
    tw::server server;
    tw::connection later;
    tw::buffer kept;
    std::string whole;
    bool ended = false, refused = false;
    server.onrequest = [&](tw::connection ws, const tw::request &request) {
        CHECK(request.protocols().size() == 2 && request.protocols()[1] == "b");
        CHECK(!request.headers().empty() && request.origin().empty());
        if (request.target() == "/no") {
            ws.reject(403, "not you", {"X-Why: because"});
        } else {
            later = ws;
        }
    };
    server.onchunk = [&](tw::connection, const tw::chunk &chunk) {
        CHECK(chunk.offset() == whole.size() && chunk.is_first() == whole.empty());
        whole += chunk.text();
        ended = chunk.is_last();
    };
    server.listen(loop, "ws://127.0.0.1:0");
    tw::websocket no, ws;
    no.onclose = [&](const tw::close_event &event) {
        CHECK(event.http_status == 403 && event.http_body == "not you" && std::string(event.header("x-why")) == "because");
        refused = true;
    };
    no.connect(loop, local(server.port()) + "no", {"a", "b"});
    until(loop, [&] { return refused; });
    ws.connect(loop, local(server.port()), {"a", "b"});
    until(loop, [&] { return later.id().value != 0; });
    CHECK(ws.ready_state() == tw::ready_state::connecting);
    later.accept_with("b", {"X-Granted: yes"});
    ws.onopen = [&](const tw::open_event &event) {
        CHECK(event.protocol() == "b" && std::string(event.header("x-granted")) == "yes");
        CHECK(event.headers().size() >= 4);
    };
    until(loop, [&] { return ws.ready_state() == tw::ready_state::open; });
    ws.begin_text("one ", 4);
    std::error_code failed;
    ws.send("amid", failed);
    CHECK(failed == tw::errc::busy);
    ws.more("message", 7);
    ws.last("", 0);
    until(loop, [&] { return ended; });
    CHECK(whole == "one message");
    ws.onmessage = [&](const tw::message &message) { kept = message.keep(); };
    tw::buffer big(100000);
    big.data()[99999] = 7;
    later.send(big);
    until(loop, [&] { return kept.size() == 100000; });
    CHECK(kept.data()[99999] == 7 && ws.stats().messages_received == 1 && ws.tls().empty());
    CHECK(ws.local() == later.remote() && ws.remote() == later.local());
    tw::buffer copy = kept;
    CHECK(copy.data() == kept.data());
    server.close(1000);
    until(loop, [&] { return ws.ready_state() == tw::ready_state::closed; });
}

// Sockets are destroyed from another thread, in whatever state they are, while the library's thread calls back.
static void destroyed_elsewhere() {
    tw::loop loop, other;
    tw::server server;
    std::atomic<int> opens{0}, thrown{0};
    server.onmessage = [](tw::connection ws, const tw::message &message) { ws.try_send(message.flags(), message.data(), message.size()); };
    server.listen(loop, "ws://127.0.0.1:0");
    std::string url = local(server.port());
    loop.start();
    other.start([&](std::exception_ptr) { thrown++; });
    for (int i = 0; i < 300; i++) {
        std::unique_ptr<int> alive(new int(1));
        int *seen = alive.get();
        {
            tw::websocket ws;
            ws.onopen = [&, seen](const tw::open_event &) {
                opens++;
                CHECK(*seen == 1);
                ws.try_send(TW_TEXT, "hello", 5);
            };
            ws.onmessage = [seen](const tw::message &) { CHECK(*seen == 1); };
            ws.onclose = [seen](const tw::close_event &) { CHECK(*seen == 1); };
            ws.connect(other, i % 5 ? url : "ws://127.0.0.1:1/");
            for (int spin = 0; spin < i % 7 * 200; spin++) {
                std::this_thread::yield();
            }
        }
        *seen = 0;
    }
    tw::websocket throwing;
    throwing.onopen = [](const tw::open_event &) { throw 1; };
    throwing.connect(other, url);
    while (thrown == 0) {
        std::this_thread::yield();
    }
    CHECK(opens > 0);
    // A server goes on the thread that drives its loop, or while nobody does.
    std::error_code driven;
    loop.stop();
    do {
        loop.poll(0, driven);
    } while (driven == tw::errc::busy);
}

// A callback may destroy its socket, or move it away.
static void destroyed_inside() {
    tw::loop loop;
    tw::server server;
    server.onmessage = [](tw::connection ws, const tw::message &message) { ws.send(message); };
    server.listen(loop, "ws://127.0.0.1:0");
    for (int place = 0; place < 4; place++) {
        std::unique_ptr<tw::websocket> ws(new tw::websocket);
        std::unique_ptr<tw::websocket> moved;
        ws->onopen = [&](const tw::open_event &) {
            ws->send("hello");
            if (place == 0) {
                ws.reset();
            } else if (place == 3) {
                moved.reset(new tw::websocket(std::move(*ws)));
                ws.reset();
            }
        };
        bool heard = false;
        ws->onmessage = [&](const tw::message &) {
            heard = true;
            if (place == 1) {
                ws.reset();
            } else {
                (moved ? moved : ws)->close(1000);
            }
        };
        ws->onclose = [&](const tw::close_event &) { (moved ? moved : ws).reset(); };
        ws->connect(loop, local(server.port()));
        until(loop, [&] { return !ws && !moved; });
        CHECK(heard == (place != 0));
    }
}

// Exceptions of callbacks on the library's thread go to the handler, those within run() leave run(): the same loop in turn.
static void exceptions_have_somewhere_to_go() {
    tw::loop loop;
    std::atomic<int> handed{0}, replaced{0};
    std::error_code failed;
    loop.on_exception([&](std::exception_ptr thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (int what) {
            handed += what;
        }
    });
    loop.start(failed);
    CHECK(!failed);
    loop.start(failed);
    CHECK(failed == tw::errc::busy);
    loop.post([] { throw 1; });
    loop.post([] { throw 2; }); // after a start that failed, and the loop went on
    while (handed != 3) {
        std::this_thread::yield();
    }
    loop.on_exception([&](std::exception_ptr) { replaced++; });
    loop.post([] { throw 4; });
    while (replaced == 0) {
        std::this_thread::yield();
    }
    loop.stop();
    do {
        loop.poll(0, failed);
    } while (failed == tw::errc::busy); // until the thread has ended
    loop.post([] { throw 5; });
    int thrown = 0;
    while (thrown == 0) {
        try {
            loop.poll(1000);
        } catch (int what) {
            thrown = what;
        }
    }
    CHECK(thrown == 5 && replaced == 1);
    CHECK(handed == 3);
}

int main() {
    error_codes();
    exceptions_have_somewhere_to_go();
    requests_and_pieces();
    destroyed_elsewhere();
    destroyed_inside();
    std::puts("ok");
    return 0;
}
