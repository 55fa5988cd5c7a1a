/* Statements within a function. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <tightwire.h>
#include <unistd.h>

extern volatile int running;
void read_input(void);
void draw_frame(void);

void body(tw_loop loop, int epoll, tw_client_opts client_options, tw_server_opts server_options);
void body(tw_loop loop, int epoll, tw_client_opts client_options, tw_server_opts server_options)
{
    tw_server server = 0;
    tw_ws ws = 0;
    tw_error error;

    (void)loop, (void)epoll, (void)client_options, (void)server_options, (void)server, (void)ws, (void)error;
    {
@fragment@
    }
}
