// A WebSocket server that sends every message back.
//
//   c++ echo_server.cpp -ltightwire -o echo_server && ./echo_server ws://127.0.0.1:9001
#include <iostream>
#include <tightwire.hpp>

int main(int argc, char **argv)
{
    try {
        tw::loop loop;
        tw::server server;
        server.onmessage = [](tw::connection ws, const tw::message &message) { ws.send(message); };
        server.listen(loop, argc > 1 ? argv[1] : "ws://127.0.0.1:9001");
        std::cout << "listening on port " << server.port() << std::endl;
        loop.run();
    } catch (const tw::error &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
