/* What a recipe uses of libuv, as its documentation declares it. */
#include <tightwire.h>

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_poll_s {
    void *data;
} uv_poll_t;
typedef void (*uv_poll_cb)(uv_poll_t *handle, int status, int events);
int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd);
int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb cb);
enum { UV_READABLE = 1 };

@fragment@
