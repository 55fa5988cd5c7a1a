/* An epoll of the host's own, level-triggered. */
#include <sys/epoll.h>
#include <unistd.h>

#include "drive.h"

void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    struct epoll_event event = {0}, ready;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    intptr_t fd;

    (void)flags;
    tw_loop_fd(loop, &fd);
    event.events = EPOLLIN;
    epoll_ctl(epoll, EPOLL_CTL_ADD, (int)fd, &event);
    while (!*done) {
        epoll_wait(epoll, &ready, 1, -1);
        polls++;
        tw_loop_poll(loop, 0);
    }
    close(epoll);
}
