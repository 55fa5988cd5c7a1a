/* pkg-config: libuv
 * libuv: with a descriptor it watches that; with a waiter it is poked through uv_async_send. */
#include <uv.h>

#include "drive.h"

static tw_loop driven;
static const volatile int *finished;
static uv_poll_t watcher;
static uv_async_t poked;

static void turn(uv_handle_t *handle)
{
    polls++;
    tw_loop_poll(driven, 0);
    if (*finished) {
        uv_close(handle, NULL);
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    turn((uv_handle_t *)handle);
}

static void on_async(uv_async_t *handle)
{
    turn((uv_handle_t *)handle);
}

static void poke(void *user)
{
    (void)user;
    uv_async_send(&poked);
}

void drive(tw_loop loop, unsigned flags, const volatile int *done)
{
    intptr_t fd;
    uv_loop_t uv;

    driven = loop;
    finished = done;
    uv_loop_init(&uv);
    if (flags & TW_LOOP_WAITER) {
        uv_async_init(&uv, &poked, on_async);
        tw_loop_on_ready(loop, poke, NULL);
    } else {
        tw_loop_fd(loop, &fd);
        uv_poll_init(&uv, &watcher, (int)fd);
        uv_poll_start(&watcher, UV_READABLE, on_poll);
    }
    uv_run(&uv, UV_RUN_DEFAULT);
    tw_loop_on_ready(loop, NULL, NULL);
    uv_loop_close(&uv);
}
