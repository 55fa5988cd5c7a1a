/* pkg-config: glib-2.0
 * The main loop of GLib. */
#include <glib-unix.h>

#include "drive.h"

struct host {
    GMainLoop *main;
    tw_loop loop;
    const volatile int *done;
};

static gboolean ready(gint fd, GIOCondition condition, gpointer user)
{
    struct host *host = user;

    (void)fd, (void)condition;
    polls++;
    tw_loop_poll(host->loop, 0);
    if (*host->done) {
        g_main_loop_quit(host->main);
    }
    return G_SOURCE_CONTINUE;
}

void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    struct host host = {g_main_loop_new(NULL, FALSE), loop, done};
    intptr_t fd;
    guint source;

    (void)flags;
    tw_loop_fd(loop, &fd);
    source = g_unix_fd_add((gint)fd, G_IO_IN, ready, &host);
    g_main_loop_run(host.main);
    g_source_remove(source);
    g_main_loop_unref(host.main);
}
