/* Tells ThreadSanitizer of the locks that Rust's standard library takes. That library comes compiled, and without the
 * sanitizer: what of a lock is inlined into ours is seen, but not the ways that wait. The linker puts these in their
 * places (--wrap); the script gives the names, which the compiler mangles. Each passes on all that registers may hold. */
void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define JOIN(a, b) a##b
#define REAL(name) JOIN(__real_, name)
#define WRAP(name) JOIN(__wrap_, name)
#define PASSED long a, long b, long c, long d, long e, long f
#define PASS a, b, c, d, e, f

/* The lock at the first argument is held afterwards. */
#define TAKES(name)                                                                                                    \
    long REAL(name)(PASSED);                                                                                           \
    long WRAP(name)(PASSED);                                                                                           \
    long WRAP(name)(PASSED)                                                                                            \
    {                                                                                                                  \
        long result = REAL(name)(PASS);                                                                                \
        __tsan_acquire((void *)a);                                                                                     \
        return result;                                                                                                 \
    }

/* The lock at the second argument is let go meanwhile. */
#define WAITS(name)                                                                                                    \
    long REAL(name)(PASSED);                                                                                           \
    long WRAP(name)(PASSED);                                                                                           \
    long WRAP(name)(PASSED)                                                                                            \
    {                                                                                                                  \
        long result;                                                                                                   \
        __tsan_release((void *)b);                                                                                     \
        result = REAL(name)(PASS);                                                                                     \
        __tsan_acquire((void *)b);                                                                                     \
        return result;                                                                                                 \
    }

/* What the first argument guards is made by one of those that come here, and seen by all. */
#define MAKES(name)                                                                                                    \
    long REAL(name)(PASSED);                                                                                           \
    long WRAP(name)(PASSED);                                                                                           \
    long WRAP(name)(PASSED)                                                                                            \
    {                                                                                                                  \
        long result = REAL(name)(PASS);                                                                                \
        __tsan_acquire((void *)a);                                                                                     \
        __tsan_release((void *)a);                                                                                     \
        return result;                                                                                                 \
    }

TAKES(MUTEX_LOCK)
TAKES(RWLOCK_READ)
TAKES(RWLOCK_WRITE)
WAITS(CONDVAR_WAIT)
WAITS(CONDVAR_WAIT_TIMEOUT)
MAKES(ONCE_CALL)
