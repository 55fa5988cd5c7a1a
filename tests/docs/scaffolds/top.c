/* Functions on their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tightwire.h>

/* A host of the reader's, which another thread can wake. */
struct host;
void host_wake(struct host *host);

/* Something that has bytes to send. */
struct source;
size_t source_peek(struct source *source, const void **data);
void source_advance(struct source *source, size_t len);

@fragment@
