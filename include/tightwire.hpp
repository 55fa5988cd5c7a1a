// tightwire for C++11 and later: a thin, header-only layer over tightwire.h.
//
//   tw::loop loop;
//   tw::websocket ws;
//   ws.onopen = [&](const tw::open_event &) { ws.send("hello"); };
//   ws.onmessage = [&](const tw::message &m) { std::cout << m.text() << '\n'; ws.close(1000); };
//   ws.onclose = [&](const tw::close_event &) { loop.stop(); };
//   ws.connect(loop, "ws://127.0.0.1:9001");
//   loop.run();
//
// Callbacks run on the thread that is in run(), poll() or the loop's destructor, or on the library's own after
// start(). An exception that one throws stops the loop and leaves run() or poll(). tw::websocket, tw::server and
// tw::timer are to be made, moved, changed and destroyed on that thread, but for a websocket, which any thread may
// connect and destroy: after its destructor no callback of it runs. A loop has to outlive its connections and servers, or be destroyed on its
// thread while they are silent. send(), ping(), close(), abort() and the getters may be called from any thread.
//
// What fails throws tw::error. Each call that may throw it has a twin with a std::error_code, which gets the failure
// instead; only memory that C++ itself asks for throws from there (std::bad_alloc). With C++20
// tightwire_coroutine.hpp makes all of it awaitable.
#ifndef TIGHTWIRE_HPP
#define TIGHTWIRE_HPP

#include "tightwire_connection.hpp"
#include "tightwire_loop.hpp"
#include "tightwire_server.hpp"
#include "tightwire_websocket.hpp"

#endif
