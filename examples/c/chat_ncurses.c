/* A client for chat_server in a terminal: messages above, a line to write below. Control-D leaves.
 *
 *   cc chat_ncurses.c $(pkg-config --cflags --libs tightwire ncursesw) -o chat_ncurses
 *   ./chat_ncurses ws://127.0.0.1:9001/nickname
 */
#include <curses.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <tightwire.h>
#include <unistd.h>

#define KEPT 200

static WINDOW *messages, *input;
static char history[KEPT][1100]; /* what came last, to be drawn again in another size */
static unsigned said;
static char line[512];
static size_t len;
static char ending[300];

static void lay_out(void)
{
    unsigned at;
    int rows, columns;

    getmaxyx(stdscr, rows, columns);
    erase();
    mvhline(rows - 2, 0, ACS_HLINE, columns);
    wnoutrefresh(stdscr);
    wresize(messages, rows > 2 ? rows - 2 : 1, columns);
    werase(messages);
    for (at = said > KEPT ? said - KEPT : 0; at < said; at++) {
        wprintw(messages, "\n%s", history[at % KEPT]);
    }
    wresize(input, 1, columns);
    mvwin(input, rows - 1, 0);
}

/* The end of the line stays in sight. */
static void redraw(void)
{
    size_t room = (size_t)(getmaxx(input) > 4 ? getmaxx(input) - 4 : 0), from = len > room ? len - room : 0;

    while ((line[from] & 0xc0) == 0x80) { /* within a character */
        from++;
    }
    werase(input);
    mvwprintw(input, 0, 0, "> %s", line + from);
    wnoutrefresh(messages);
    wnoutrefresh(input);
    doupdate();
}

static void on_message(tw_ws ws, void *user, const tw_msg *message)
{
    char *place = history[said++ % KEPT];

    (void)ws, (void)user;
    snprintf(place, sizeof *history, "%.*s", (int)message->len, (const char *)message->data);
    wprintw(messages, "\n%s", place);
}

static void on_close(tw_ws ws, void *user, const tw_close_ev *closed)
{
    (void)ws;
    snprintf(ending, sizeof ending, "closed: %d %s", closed->code, closed->error ? closed->error->text : closed->reason.ptr);
    *(int *)user = 1;
}

static void on_key(tw_ws ws, int key)
{
    switch (key) {
    case 4: /* Control-D */
        tw_close(ws, 1000, "bye");
        break;
    case KEY_RESIZE:
        lay_out();
        break;
    case '\n':
    case KEY_ENTER:
        if (len > 0 && tw_send(ws, TW_TEXT, line, len) == TW_OK) {
            line[len = 0] = 0;
        }
        break;
    case 127:
    case KEY_BACKSPACE:
        while (len > 0 && (line[--len] & 0xc0) == 0x80) { /* the rest of a character */
        }
        line[len] = 0;
        break;
    default:
        if (key >= ' ' && key < 256 && len + 1 < sizeof line) {
            line[len++] = (char)key;
            line[len] = 0;
        }
    }
}

int main(int argc, char **argv)
{
    int done = 0, key;
    tw_events events = {.size = sizeof events, .on_message = on_message, .on_close = on_close};
    tw_client_opts options = {.size = sizeof options, .events = &events, .user = &done};
    sigset_t resized, outside;
    tw_loop loop;
    tw_ws ws;
    tw_error error;
    intptr_t fd;

    options.url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001/guest";
    if (tw_loop_new(NULL, &loop, &error) || tw_connect(loop, &options, &ws, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    tw_loop_fd(loop, &fd);
    /* The size changes while pselect() waits and at no other time, so that no change is slept over. */
    sigemptyset(&resized);
    sigaddset(&resized, SIGWINCH);
    sigprocmask(SIG_BLOCK, &resized, &outside);
    setlocale(LC_ALL, "");
    initscr();
    raw();
    noecho();
    messages = newwin(1, 1, 0, 0);
    input = newwin(1, 1, 0, 0);
    scrollok(messages, TRUE);
    keypad(input, TRUE);
    nodelay(input, TRUE);
    lay_out();
    while (!done) {
        fd_set readable;

        redraw();
        FD_ZERO(&readable);
        FD_SET(STDIN_FILENO, &readable);
        FD_SET((int)fd, &readable);
        pselect((int)fd + 1, &readable, NULL, NULL, NULL, &outside);
        while ((key = wgetch(input)) != ERR) {
            on_key(ws, key);
        }
        tw_loop_poll(loop, 0);
    }
    endwin();
    puts(ending);
    return tw_loop_free(loop, 0);
}
