// A client in the io_context of Boost.Asio, beside a timer of Asio's: three messages, then it closes.
//
//   c++ -std=c++17 asio_host.cpp $(pkg-config --cflags --libs tightwire) -lpthread -o asio_host
//   ./asio_host ws://127.0.0.1:9001
#include <boost/asio.hpp>

#include <cstdio>
#include <functional>
#include <tightwire.hpp>

namespace asio = boost::asio;
using error_code = boost::system::error_code;

int main(int argc, char **argv)
{
    asio::io_context context;
    tw::loop loop;
    tw::websocket ws;
    asio::posix::stream_descriptor watched(context, static_cast<int>(loop.fd()));
    asio::steady_timer ticks(context);
    int answers = 0;
    bool done = false;

    std::function<void(error_code)> turn = [&](error_code) {
        loop.poll(0);
        if (!done) {
            watched.async_wait(watched.wait_read, turn);
        }
    };
    std::function<void(error_code)> tick = [&](error_code stopped) {
        if (!stopped && ws.ready_state() == tw::ready_state::open) {
            ws.send("tick");
            ticks.expires_after(std::chrono::milliseconds(100));
            ticks.async_wait(tick);
        }
    };
    ws.onopen = [&](const tw::open_event &) { tick({}); };
    ws.onmessage = [&](const tw::message &message) {
        std::printf("< %s\n", message.text().c_str());
        if (++answers == 3) {
            ws.close(1000, "enough");
        }
    };
    ws.onclose = [&](const tw::close_event &closed) {
        std::printf("closed: %d\n", closed.code);
        ticks.cancel();
        done = true;
    };
    ws.connect(loop, argc > 1 ? argv[1] : "ws://127.0.0.1:9001");
    watched.async_wait(watched.wait_read, turn);
    context.run();
    watched.release(); // the descriptor is the library's
}
