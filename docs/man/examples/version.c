/* Which library runs, and what a status means. */
#include "setup.h"

int main(void)
{
    /* example: tw_version tw_strerror */
    uint32_t version = tw_version();

    printf("tightwire %u.%u.%u\n", version >> 16 & 0xff, version >> 8 & 0xff, version & 0xff);
    printf("%d: %s\n", TW_EAGAIN, tw_strerror(TW_EAGAIN));
    /* end */
    return tw_strerror(TW_OK)[0] != '\0' ? 0 : 1;
}
