/* A client in the main loop of GLib, as in a program with GTK: sends the time every
 * tenth of a second, prints what comes back, ends after three answers.
 *
 *   cc glib_host.c $(pkg-config --cflags --libs tightwire glib-2.0) -o glib_host
 *   ./glib_host ws://127.0.0.1:9001
 */
#include <glib-unix.h>
#include <tightwire.h>

struct app {
    GMainLoop *main;
    tw_loop loop;
    tw_ws ws;
    int answers;
};

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd, (void)condition;
    tw_loop_poll(((struct app *)user)->loop, 0);
    return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer user)
{
    struct app *app = user;
    char *now = g_strdup_printf("%" G_GINT64_FORMAT, g_get_real_time());

    tw_send(app->ws, TW_TEXT, now, strlen(now)); /* from GLib's own callbacks, too */
    g_free(now);
    return tw_ready_state(app->ws) < 2;
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    struct app *app = user;

    g_print("< %.*s\n", (int)message->len, (const char *)message->data);
    if (++app->answers == 3) {
        tw_close(ws, 1000, "enough");
    }
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws;
    g_print("closed: %d %s\n", closed->code, closed->error_text.ptr);
    g_main_loop_quit(((struct app *)user)->main);
}

int main(int argc, char **argv)
{
    struct app app = {.main = g_main_loop_new(NULL, FALSE)};
    tw_events events = {.size = sizeof events, .on_message = on_message, .on_close = on_close};
    tw_client_opts options = {.size = sizeof options, .events = &events, .user = &app};
    tw_error error;
    intptr_t fd;

    options.url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    if (tw_loop_new(NULL, &app.loop, &error) || tw_connect(app.loop, &options, &app.ws, &error)) {
        g_printerr("%s\n", error.text);
        return 1;
    }
    tw_loop_fd(app.loop, &fd);
    g_unix_fd_add((gint)fd, G_IO_IN, on_readable, &app);
    g_timeout_add(100, on_tick, &app);
    g_main_loop_run(app.main);
    g_main_loop_unref(app.main);
    return tw_loop_free(app.loop, 0);
}
