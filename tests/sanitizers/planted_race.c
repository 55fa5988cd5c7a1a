/* A mistake on purpose: two threads write to the bytes of one buffer. The sanitizer has to see it. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <tightwire.h>

static void *write_to(void *buffer)
{
    size_t len;
    void *bytes = tw_buf_data(buffer, &len);

    memset(bytes, 1, len);
    return NULL;
}

int main(void)
{
    tw_buf *buffer = tw_buf_new(100);
    pthread_t other;

    if (pthread_create(&other, NULL, write_to, buffer) != 0) {
        return 1;
    }
    write_to(buffer);
    pthread_join(other, NULL);
    tw_buf_unref(buffer);
    printf("nobody noticed\n");
    return 0;
}
