// A server and a client in one loop, without exceptions: failures are values.
#include <cstdio>
#include <string>
#include <system_error>
#include <tightwire.hpp>

int main()
{
    tw::loop loop;
    tw::server server;
    tw::websocket ws;
    bool answered = false;
    std::error_code failed;

    server.onmessage = [](tw::connection from, const tw::message &message) {
        std::error_code refused;
        from.send(message.text(), refused);
    };
    server.listen(loop, "ws://127.0.0.1:0");
    ws.onopen = [&](const tw::open_event &) { ws.send("hello", failed); };
    ws.onmessage = [&](const tw::message &message) {
        answered = message.text() == "hello";
        loop.stop();
    };
    ws.onclose = [&](const tw::close_event &) { loop.stop(); };
    ws.connect(loop, "ws://127.0.0.1:" + std::to_string(server.port()) + "/");
    loop.run();
    // Text that is not UTF-8 is refused, and nothing is thrown.
    ws.send("\xff", failed);
    bool refused = failed == tw::errc::utf8;
    std::puts(answered && refused ? "hello" : "no answer");
    return !answered || !refused;
}
