// A client in the event loop of Qt, beside a QTimer: three messages, then it closes.
//
//   c++ -std=c++17 qt_host.cpp $(pkg-config --cflags --libs tightwire Qt5Core) -o qt_host
//   ./qt_host ws://127.0.0.1:9001
#include <QCoreApplication>
#include <QSocketNotifier>
#include <QTimer>

#include <cstdio>
#include <tightwire.hpp>

int main(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    tw::loop loop;
    tw::websocket ws;
    int answers = 0;

    QSocketNotifier notifier(loop.fd(), QSocketNotifier::Read);
    QObject::connect(&notifier, &QSocketNotifier::activated, [&] { loop.poll(0); });

    QTimer ticks;
    QObject::connect(&ticks, &QTimer::timeout, [&] { ws.send("tick"); });

    ws.onopen = [&](const tw::open_event &) { ticks.start(100); };
    ws.onmessage = [&](const tw::message &message) {
        std::printf("< %s\n", message.text().c_str());
        if (++answers == 3) {
            ticks.stop();
            ws.close(1000, "enough");
        }
    };
    ws.onclose = [&](const tw::close_event &closed) {
        std::printf("closed: %d\n", closed.code);
        application.quit();
    };
    ws.connect(loop, argc > 1 ? argv[1] : "ws://127.0.0.1:9001");
    return application.exec();
}
