/* A preloaded library that makes some files slow or broken: the disk trouble that no unprivileged process can order.
 *
 * FAULTY_DISK_RULES names a file of lines "OPERATION PREFIX DELAY_MS ERRNO", read again at every matching call:
 *   OPERATION  sync (fsync, fdatasync) or write (write, writev, pwrite, pwritev and their variants)
 *   PREFIX     files whose path begins so are meant; the path must not contain spaces
 *   DELAY_MS   how long the call sleeps first
 *   ERRNO      0: the call then goes through; else it fails with this errno and does nothing
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int trouble(const char *operation, int fd) {
    const char *rules = getenv("FAULTY_DISK_RULES");
    if (rules == NULL) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    FILE *file = fopen(rules, "re");
    if (file == NULL) return 0;
    char named[16], prefix[2048];
    long delay_ms;
    int error, result = 0;
    while (fscanf(file, "%15s %2047s %ld %d", named, prefix, &delay_ms, &error) == 4) {
        if (strcmp(named, operation) != 0 || strncmp(path, prefix, strlen(prefix)) != 0) continue;
        struct timespec pause = {delay_ms / 1000, delay_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
        result = error;
        break;
    }
    fclose(file);
    return result;
}

#define WRAP(type, name, operation, parameters, arguments)                    \
    type name parameters {                                                    \
        static type(*next) parameters;                                        \
        if (next == NULL) *(void **)&next = dlsym(RTLD_NEXT, #name);          \
        int error = trouble(operation, fd);                                   \
        if (error != 0) {                                                     \
            errno = error;                                                    \
            return -1;                                                        \
        }                                                                     \
        return next arguments;                                                \
    }

WRAP(int, fsync, "sync", (int fd), (fd))
WRAP(int, fdatasync, "sync", (int fd), (fd))
WRAP(ssize_t, write, "write", (int fd, const void *data, size_t size), (fd, data, size))
WRAP(ssize_t, writev, "write", (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP(ssize_t, pwrite, "write", (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
WRAP(ssize_t, pwrite64, "write", (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
WRAP(ssize_t, pwritev, "write", (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
WRAP(ssize_t, pwritev64, "write", (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at))
WRAP(ssize_t, pwritev2, "write", (int fd, const struct iovec *parts, int count, off_t at, int flags),
     (fd, parts, count, at, flags))
WRAP(ssize_t, pwritev64v2, "write", (int fd, const struct iovec *parts, int count, off64_t at, int flags),
     (fd, parts, count, at, flags))
