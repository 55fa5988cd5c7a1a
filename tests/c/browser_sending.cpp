// What the browser's class in C++ does with long messages. The rest is in tests/browser/scenarios.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "raw.hpp"

namespace {

constexpr std::size_t size = 64u << 20;

unsigned char byte_at(std::size_t at) { return static_cast<unsigned char>(at * 2654435761u >> 13); }

void a_message_of_64_mib_comes_back_where_limits_allow_it() {
    tw_tuning tuning = tw_tuning();
    tuning.size = sizeof tuning;
    tuning.max_message = size;
    tuning.max_buffered = 2 * size;
    tw::loop loop;
    tw::server server;
    tw_server_opts server_options = tw_server_opts();
    server_options.tuning = &tuning;
    server.onmessage = [](tw::connection peer, const tw::message &message) { peer.send(message); };
    server.listen(loop, "ws://127.0.0.1:0", server_options);
    std::vector<unsigned char> data(size);
    for (std::size_t at = 0; at < size; at++) {
        data[at] = byte_at(at);
    }
    tw::websocket ws;
    tw_client_opts options = tw_client_opts();
    options.tuning = &tuning;
    bool came = false, clean = false;
    ws.onopen = [&](const tw::open_event &) {
        ws.send(data.data(), data.size());
        CHECK(ws.buffered_amount() == size);
        // What was sent is sent, whatever becomes of the memory.
        std::fill(data.begin(), data.end(), 0);
    };
    ws.onmessage = [&](const tw::message &message) {
        CHECK(message.size() == size);
        for (std::size_t at = 0; at < size; at++) {
            if (static_cast<unsigned char>(message.data()[at]) != byte_at(at)) {
                CHECK(!"another byte came back");
            }
        }
        came = true;
        ws.close();
    };
    ws.onclose = [&](const tw::close_event &event) {
        clean = event.clean;
        loop.stop();
    };
    ws.connect(loop, local_url(server.port()), {}, options);
    loop.run();
    CHECK(came && clean);
}

void a_message_of_64_mib_is_too_much_without() {
    tw::loop loop;
    tw::server server;
    server.listen(loop, "ws://127.0.0.1:0");
    std::vector<unsigned char> data(size);
    tw::websocket ws;
    int code = 0;
    ws.onopen = [&](const tw::open_event &) { ws.send(data.data(), data.size()); };
    ws.onclose = [&](const tw::close_event &event) {
        code = event.code;
        loop.stop();
    };
    ws.connect(loop, local_url(server.port()));
    loop.run();
    CHECK(code == 1009);
}

} // namespace

int main() {
    a_message_of_64_mib_comes_back_where_limits_allow_it();
    a_message_of_64_mib_is_too_much_without();
    std::puts("ok");
}
