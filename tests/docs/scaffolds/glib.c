/* What a recipe uses of GLib, as its documentation declares it. */
#include <tightwire.h>

typedef int gint;
typedef int gboolean;
typedef unsigned int guint;
typedef void *gpointer;
typedef enum { G_IO_IN = 1 } GIOCondition;
typedef gboolean (*GUnixFDSourceFunc)(gint fd, GIOCondition condition, gpointer user_data);
guint g_unix_fd_add(gint fd, GIOCondition condition, GUnixFDSourceFunc function, gpointer user_data);
#define TRUE 1

@fragment@
