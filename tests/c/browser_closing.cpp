// How the browser's class in C++ closes. The rest is in tests/browser/scenarios.
#include "raw.hpp"

namespace {

void a_close_that_came_is_seen_before_its_event() {
    tw::loop loop;
    relayed peer(loop);
    tw::websocket ws;
    trace seen;
    seen.watch(ws);
    ws.connect(loop, peer.url());
    tcp client = peer.accept();
    client.write(peer.answer(client));
    until(loop, [&] { return ws.ready_state() != tw::ready_state::connecting && ws.ready_state() != tw::ready_state::open; });
    // The server has to end the stream before it is over.
    CHECK(ws.ready_state() == tw::ready_state::closing && seen.said == "open one binary ");
    peer.end(std::move(client));
    until(loop, [&] { return ws.ready_state() == tw::ready_state::closed; });
    CHECK(seen.said == "open one binary 3000 doneclean");
}

void what_a_callback_throws_leaves_the_connection_open() {
    tw::loop loop;
    tw::server server;
    server.onmessage = [](tw::connection from, const tw::message &message) { from.send(message); };
    server.listen(loop, "ws://127.0.0.1:0");
    tw::websocket ws;
    std::string echoes;
    int thrown = 0;
    bool clean = false;
    ws.onopen = [&](const tw::open_event &) { ws.send("one"); };
    ws.onmessage = [&](const tw::message &message) {
        echoes += message.text();
        if (message.text() == "one") {
            throw 1;
        }
        ws.close(1000);
    };
    ws.onclose = [&](const tw::close_event &event) { clean = event.clean; };
    ws.connect(loop, local_url(server.port()));
    while (ws.ready_state() != tw::ready_state::closed) {
        try {
            loop.poll(1000);
        } catch (int) {
            thrown++;
            ws.send("two");
        }
    }
    CHECK(thrown == 1 && echoes == "onetwo" && clean);
}

} // namespace

int main() {
    a_close_that_came_is_seen_before_its_event();
    what_a_callback_throws_leaves_the_connection_open();
    std::puts("ok");
}
