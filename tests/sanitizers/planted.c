/* A mistake on purpose: reads a buffer whose last reference was given up. The sanitizer has to see it inside the
 * library, which shows that it watches both sides. */
#include <stdio.h>
#include <tightwire.h>

int main(void)
{
    tw_buf *buffer = tw_buf_new(100);
    size_t len;

    tw_buf_unref(buffer);
    tw_buf_data(buffer, &len);
    printf("nobody noticed\n");
    return 0;
}
