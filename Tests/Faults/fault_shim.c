// Fails the n-th call of one kind under a folder: preloaded into the tool by Tests/Faults/inject.py.
//
// FAULT_CALL   write, fsync, rename, open, truncate, mkdir or memory
// FAULT_NUMBER which of these calls fails, from 1; 0 counts alone
// FAULT_CODE   the errno that it fails with (28 is ENOSPC)
// FAULT_UNDER  only files under this folder count
// FAULT_COUNT  a file that gets the number of calls at the process's end
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

// Whether this call of a kind fails; sets errno.
static int fails(const char *kind) {
  const char *wanted = getenv("FAULT_CALL");
  if (!wanted || strcmp(wanted, kind) != 0) return 0;
  long number = atomic_fetch_add(&calls, 1) + 1;
  const char *chosen = getenv("FAULT_NUMBER");
  if (!chosen || atol(chosen) != number) return 0;
  const char *code = getenv("FAULT_CODE");
  errno = code ? atoi(code) : ENOSPC;
  return 1;
}

// Whether a path lies in the folder that is watched.
static int watched(const char *path) {
  const char *folder = getenv("FAULT_UNDER");
  if (!folder || !path) return 0;
  char whole[PATH_MAX];
  if (path[0] != '/') {
    if (!getcwd(whole, sizeof whole)) return 0;
    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    path = whole;
  }
  return strncmp(path, folder, strlen(folder)) == 0;
}

static int watched_descriptor(int descriptor) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t count = readlink(link, path, sizeof path - 1);
  if (count < 0) return 0;
  path[count] = 0;
  return watched(path);
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int descriptor, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  if (watched_descriptor(descriptor) && fails("write")) {
    // A full disk takes a part first: what is torn must not stay.
    int code = errno;
    if (count > 1) real(descriptor, bytes, count / 2);
    errno = code;
    return -1;
  }
  return real(descriptor, bytes, count);
}

// What goes through stdio does not pass `write` above.
size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file) {
  REAL(size_t, "fwrite", const void *, size_t, size_t, FILE *);
  if (watched_descriptor(fileno(file)) && fails("write")) return 0;
  return real(bytes, size, count, file);
}

int fclose(FILE *file) {
  REAL(int, "fclose", FILE *);
  int failed = watched_descriptor(fileno(file)) && fails("write");
  int code = errno;
  int status = real(file);
  if (!failed) return status;
  errno = code;
  return EOF;
}

int fsync(int descriptor) {
  REAL(int, "fsync", int);
  if (watched_descriptor(descriptor) && fails("fsync")) return -1;
  return real(descriptor);
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  if (watched(to) && fails("rename")) return -1;
  return real(from, to);
}

int ftruncate(int descriptor, off_t length) {
  REAL(int, "ftruncate", int, off_t);
  if (watched_descriptor(descriptor) && fails("truncate")) return -1;
  return real(descriptor, length);
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  if (watched(path) && fails("mkdir")) return -1;
  return real(path, mode);
}

int open(const char *path, int flags, ...) {
  REAL(int, "open", const char *, int, ...);
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (watched(path) && fails("open")) return -1;
  return real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open(path, flags, mode);
}

FILE *fopen(const char *path, const char *how) {
  REAL(FILE *, "fopen", const char *, const char *);
  if (watched(path) && fails("open")) return NULL;
  return real(path, how);
}

// Large blocks alone: what a program asks for at its door.
void *mmap(void *place, size_t length, int protection, int flags, int descriptor, off_t offset) {
  REAL(void *, "mmap", void *, size_t, int, int, int, off_t);
  if (length >= 1 << 22 && descriptor < 0 && fails("memory")) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return real(place, length, protection, flags, descriptor, offset);
}

__attribute__((destructor)) static void tell(void) {
  const char *path = getenv("FAULT_COUNT");
  if (!path) return;
  int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  char text[32];
  int count = snprintf(text, sizeof text, "%ld", atomic_load(&calls));
  if (descriptor >= 0) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (real(descriptor, text, (size_t)count) < 0) return;
    close(descriptor);
  }
}
