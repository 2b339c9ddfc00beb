// Fails the n-th call of one kind under a folder, or writes down what is done there: preloaded into the
// tool by Tests/Faults.
//
// FAULT_CALL   write, fsync, rename, open, truncate, mkdir, mmap or malloc
// FAULT_NUMBER which of these calls fails, from 1; 0 counts alone
// FAULT_CODE   the errno that it fails with (28 is ENOSPC)
// FAULT_UNDER  only files under this folder count; mmap counts large blocks alone, malloc what C code
//              and the libraries of pictures ask for (an object of Swift that gets no memory ends the
//              process: nothing can be told then)
// FAULT_PLACES where the tool's own C code lies, as LOW-HIGH,… in its file: what else is in it is Swift
// FAULT_LIST   a file that gets the path of every such call, a line each (- where it has none)
// FAULT_LOG    a file that gets every change of a file under the folder, in order (power.py reads it)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static atomic_long calls;
static const char *wanted, *folder;
static long chosen;
static int code = ENOSPC;
static int record = -1, list = -1;
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

// MARK: - Which calls count

// Whether this call of a kind fails; sets errno.
static int fails(const char *kind, const char *path) {
  if (!wanted || strcmp(wanted, kind) != 0) return 0;
  if (list >= 0) {
    char line[PATH_MAX + 2];
    int length = snprintf(line, sizeof line, "%s\n", path ? path : "-");
    syscall(SYS_write, list, line, length);
  }
  if (atomic_fetch_add(&calls, 1) + 1 != chosen) return 0;
  errno = code;
  return 1;
}

// The whole path of a file in the folder that is watched; 0 elsewhere.
static int watched(const char *path, char whole[PATH_MAX]) {
  if (!folder || !path) return 0;
  if (path[0] == '/') {
    snprintf(whole, PATH_MAX, "%s", path);
  } else {
    if (!getcwd(whole, PATH_MAX)) return 0;
    size_t length = strlen(whole);
    snprintf(whole + length, PATH_MAX - length, "/%s", path);
  }
  return strncmp(whole, folder, strlen(folder)) == 0;
}

static int watched_descriptor(int descriptor, char path[PATH_MAX]) {
  if (!folder) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t count = readlink(link, path, PATH_MAX - 1);
  if (count < 0) return 0;
  path[count] = 0;
  return strncmp(path, folder, strlen(folder)) == 0;
}

// The code of the tool itself and of the libraries of pictures.
static struct { uintptr_t low, high; } places[256];
static int place_count;

static int note_place(struct dl_phdr_info *info, size_t size, void *state) {
  (void)size;
  int *index = state;
  int is_tool = (*index)++ == 0;
  const char *own = getenv("FAULT_PLACES");
  if (is_tool && own) {
    char *end;
    for (const char *text = own; *text && place_count < 256; text = *end ? end + 1 : end) {
      places[place_count].low = info->dlpi_addr + strtoul(text, &end, 16);
      places[place_count++].high = info->dlpi_addr + strtoul(end + 1, &end, 16);
    }
    return 0;
  }
  static const char *names[] = {"libpng", "libjpeg", "libtiff", "libwebp", "libz.so", "libdeflate",
                                "liblzma", "libzstd", "libjbig"};
  int counts = is_tool;
  for (size_t name = 0; name < sizeof names / sizeof *names; name++)
    counts |= strstr(info->dlpi_name, names[name]) != NULL;
  for (int part = 0; counts && part < info->dlpi_phnum; part++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[part];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X) || place_count == 256) continue;
    places[place_count].low = info->dlpi_addr + header->p_vaddr;
    places[place_count++].high = info->dlpi_addr + header->p_vaddr + header->p_memsz;
  }
  return 0;
}

static int from_c(const void *caller) {
  uintptr_t address = (uintptr_t)caller;
  for (int index = 0; index < place_count; index++)
    if (places[index].low <= address && address < places[index].high) return 1;
  return 0;
}

// MARK: - Writing down

// A line of the kind, the numbers and the paths' lengths, then the paths and the bytes.
static void note(const char *kind, const char *path, const char *other, long offset,
                 const void *bytes, size_t count) {
  if (record < 0) return;
  REAL(ssize_t, "write", int, const void *, size_t);
  char line[128];
  int length = snprintf(line, sizeof line, "%s %zu %zu %ld %zu\n", kind, strlen(path),
                        other ? strlen(other) : 0, offset, count);
  pthread_mutex_lock(&recording);
  int is_sound = real(record, line, (size_t)length) == length;
  is_sound &= real(record, path, strlen(path)) >= 0;
  if (other) is_sound &= real(record, other, strlen(other)) >= 0;
  if (count) is_sound &= real(record, bytes, count) == (ssize_t)count;
  pthread_mutex_unlock(&recording);
  if (!is_sound) abort();
}

__attribute__((constructor)) static void begin(void) {
  wanted = getenv("FAULT_CALL");
  folder = getenv("FAULT_UNDER");
  const char *number = getenv("FAULT_NUMBER");
  chosen = number ? atol(number) : 0;
  const char *text = getenv("FAULT_CODE");
  if (text) code = atoi(text);
  int index = 0;
  if (wanted && strcmp(wanted, "malloc") == 0) dl_iterate_phdr(note_place, &index);
  REAL(int, "open", const char *, int, ...);
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  const char *file = getenv("FAULT_LIST");
  if (file) list = real(file, flags, 0666);
  file = getenv("FAULT_LOG");
  if (file) record = real(file, flags, 0666);
}

// MARK: - The calls

ssize_t write(int descriptor, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  char path[PATH_MAX];
  if (!watched_descriptor(descriptor, path)) return real(descriptor, bytes, count);
  if (fails("write", path)) {
    // A full disk takes a part first: what is torn must not stay.
    if (count > 1 && real(descriptor, bytes, count / 2) < 0) return -1;
    errno = code;
    return -1;
  }
  long offset = record < 0 ? 0 : lseek(descriptor, 0, SEEK_CUR);
  ssize_t written = real(descriptor, bytes, count);
  if (written > 0) note("write", path, NULL, offset, bytes, (size_t)written);
  return written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
  char path[PATH_MAX];
  if (!watched_descriptor(descriptor, path)) return real(descriptor, bytes, count, offset);
  if (fails("write", path)) return -1;
  ssize_t written = real(descriptor, bytes, count, offset);
  if (written > 0) note("write", path, NULL, offset, bytes, (size_t)written);
  return written;
}

// What goes through stdio does not pass `write` above.
size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file) {
  REAL(size_t, "fwrite", const void *, size_t, size_t, FILE *);
  char path[PATH_MAX];
  if (!watched_descriptor(fileno(file), path)) return real(bytes, size, count, file);
  if (fails("write", path)) return 0;
  long offset = record < 0 ? 0 : ftell(file);
  size_t written = real(bytes, size, count, file);
  if (written) note("write", path, NULL, offset, bytes, size * written);
  return written;
}

int fclose(FILE *file) {
  REAL(int, "fclose", FILE *);
  char path[PATH_MAX];
  int failed = watched_descriptor(fileno(file), path) && fails("write", path);
  int status = real(file);
  if (!failed) return status;
  errno = code;
  return EOF;
}

int fsync(int descriptor) {
  REAL(int, "fsync", int);
  char path[PATH_MAX];
  if (!watched_descriptor(descriptor, path)) return real(descriptor);
  if (fails("fsync", path)) return -1;
  int status = real(descriptor);
  if (status == 0) note("sync", path, NULL, 0, NULL, 0);
  return status;
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  char before[PATH_MAX], after[PATH_MAX];
  if (!watched(to, after)) return real(from, to);
  if (fails("rename", after)) return -1;
  int status = real(from, to);
  watched(from, before);
  if (status == 0) note("rename", before, after, 0, NULL, 0);
  return status;
}

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  char whole[PATH_MAX];
  int status = real(path);
  if (status == 0 && watched(path, whole)) note("unlink", whole, NULL, 0, NULL, 0);
  return status;
}

int ftruncate(int descriptor, off_t length) {
  REAL(int, "ftruncate", int, off_t);
  char path[PATH_MAX];
  if (!watched_descriptor(descriptor, path)) return real(descriptor, length);
  if (fails("truncate", path)) return -1;
  int status = real(descriptor, length);
  if (status == 0) note("cut", path, NULL, length, NULL, 0);
  return status;
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  char whole[PATH_MAX];
  if (!watched(path, whole)) return real(path, mode);
  if (fails("mkdir", whole)) return -1;
  int status = real(path, mode);
  if (status == 0) note("folder", whole, NULL, 0, NULL, 0);
  return status;
}

int open(const char *path, int flags, ...) {
  REAL(int, "open", const char *, int, ...);
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  char whole[PATH_MAX];
  if (!watched(path, whole)) return real(path, flags, mode);
  if (fails("open", whole)) return -1;
  int is_new = (flags & O_CREAT) && access(path, F_OK) != 0;
  int descriptor = real(path, flags, mode);
  if (descriptor < 0) return descriptor;
  if (is_new) note("new", whole, NULL, 0, NULL, 0);
  else if (flags & O_TRUNC) note("cut", whole, NULL, 0, NULL, 0);
  return descriptor;
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
  char whole[PATH_MAX];
  if (!watched(path, whole)) return real(path, how);
  if (fails("open", whole)) return NULL;
  int is_new = how[0] != 'r' && access(path, F_OK) != 0;
  FILE *file = real(path, how);
  if (file && is_new) note("new", whole, NULL, 0, NULL, 0);
  else if (file && how[0] == 'w') note("cut", whole, NULL, 0, NULL, 0);
  return file;
}

// Large blocks alone: what a program asks for at its door.
void *mmap(void *place, size_t length, int protection, int flags, int descriptor, off_t offset) {
  REAL(void *, "mmap", void *, size_t, int, int, int, off_t);
  if (length >= 1 << 20 && descriptor < 0 && fails("mmap", NULL)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return real(place, length, protection, flags, descriptor, offset);
}

void *malloc(size_t size) {
  if (place_count && from_c(__builtin_return_address(0)) && fails("malloc", NULL)) return NULL;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  if (place_count && from_c(__builtin_return_address(0)) && fails("malloc", NULL)) return NULL;
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  if (place_count && from_c(__builtin_return_address(0)) && fails("malloc", NULL)) return NULL;
  return __libc_realloc(block, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  REAL(int, "posix_memalign", void **, size_t, size_t);
  if (place_count && from_c(__builtin_return_address(0)) && fails("malloc", NULL)) return ENOMEM;
  return real(block, alignment, size);
}
