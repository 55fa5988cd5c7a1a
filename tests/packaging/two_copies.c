/* The static library in the program and the shared one beside it, opened and closed twice: each is a world of
 * its own, and threads of the shared one survive dlclose. */
#include <dlfcn.h>
#include <stdio.h>
#include <tightwire.h>

#define NEED(condition) do { if (!(condition)) { fprintf(stderr, "failed: %s\n", #condition); return 1; } } while (0)

int main(int argc, char **argv)
{
    int round;

    (void)argc;
    for (round = 0; round < 2; round++) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        tw_status (*new_loop)(const tw_loop_opts *, tw_loop *, tw_error *);
        tw_status (*start)(tw_loop), (*stop)(tw_loop), (*end)(tw_loop, uint32_t);
        tw_loop own, theirs;

        NEED(library != NULL);
        *(void **)&new_loop = dlsym(library, "tw_loop_new");
        *(void **)&start = dlsym(library, "tw_loop_start");
        *(void **)&stop = dlsym(library, "tw_loop_stop");
        *(void **)&end = dlsym(library, "tw_loop_free");
        NEED(new_loop && start && stop && end && new_loop != tw_loop_new);
        NEED(tw_loop_new(NULL, &own, NULL) == TW_OK && tw_loop_start(own) == TW_OK);
        NEED(new_loop(NULL, &theirs, NULL) == TW_OK && start(theirs) == TW_OK);
        NEED(tw_loop_free(own, 0) == TW_OK);
        NEED(stop(theirs) == TW_OK && end(theirs, 0) == TW_OK && end(theirs, 0) == TW_EHANDLE);
        dlclose(library);
    }
    puts("ok");
    return 0;
}
