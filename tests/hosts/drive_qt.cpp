/* pkg-config: Qt5Core
 * The event loop of Qt. */
#include <QCoreApplication>
#include <QSocketNotifier>

#include "drive.h"

extern "C" void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    int argc = 1;
    char name[] = "host", *argv[] = {name, nullptr};
    QCoreApplication application(argc, argv);
    intptr_t fd;

    (void)flags;
    tw_loop_fd(loop, &fd);
    QSocketNotifier notifier(fd, QSocketNotifier::Read);
    QObject::connect(&notifier, &QSocketNotifier::activated, [&] {
        polls++;
        tw_loop_poll(loop, 0);
        if (*done) {
            application.quit();
        }
    });
    application.exec();
}
