// The client that everyone knows from the browser, in C++: onopen, onmessage, onerror, onclose, send, close.
//
//   c++ -std=c++11 browser_client.cpp $(pkg-config --cflags --libs tightwire) -o browser_client
//   ./browser_client ws://127.0.0.1:9001
#include <iostream>
#include <tightwire.hpp>

int main(int argc, char **argv)
{
    tw::loop loop;
    tw::websocket socket;

    socket.onopen = [&](const tw::open_event &event) {
        std::cout << "open: " << event.url() << '\n';
        socket.send("Hello, server!");
    };
    socket.onmessage = [&](const tw::message &event) {
        std::cout << "message: " << event.text() << '\n';
        socket.close(1000, "done");
    };
    socket.onerror = [&](const tw::error &error) { std::cout << "error: " << error.what() << '\n'; };
    socket.onclose = [&](const tw::close_event &event) {
        std::cout << "close: " << event.code << (event.clean ? ", clean" : ", not clean") << '\n';
        loop.stop();
    };
    socket.connect(loop, argc > 1 ? argv[1] : "ws://127.0.0.1:9001");
    std::cout << "readyState: " << static_cast<int>(socket.ready_state()) << std::endl;
    loop.run();
}
