/* What a host has to do: make `loop` go on until `*done`, without knowing what it does. */
#ifndef DRIVE_H
#define DRIVE_H

#include <tightwire.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How often the host polled. */
extern unsigned long polls;

/* Returns when `*done` is not 0. TW_LOOP_WAITER is set in `flags` if the loop was made with it. */
void drive(tw_loop loop, unsigned flags, const volatile int *done);

#ifdef __cplusplus
}
#endif

#endif
