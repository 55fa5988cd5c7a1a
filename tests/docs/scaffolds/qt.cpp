// What a recipe uses of Qt, as its documentation declares it.
#include <cstddef>
#include <tightwire.h>

struct QObject {
    template <class Sender, class Signal, class Slot>
    static void connect(const Sender *, Signal, Slot) {}
};
struct QSocketNotifier : QObject {
    enum Type { Read };
    QSocketNotifier(std::ptrdiff_t socket, Type type, QObject *parent);
    void activated(int socket);
};

@fragment@
