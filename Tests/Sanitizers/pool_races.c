// The thread pool under ThreadSanitizer: jobs of every length, from several threads, pools that come and go.
//
// `make sanitize` builds it over ck_pool.c and runs it; a race ends it with a report, a part that was lost
// or run twice with a line.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ck_pool.h"

enum { MOST = 4096, CALLERS = 3, ROUNDS = 400 };

struct job {
  ck_pool *pool;
  long plain[MOST];  // written by the part alone, read after the job: the pool orders both
  int is_nested;
};

static void part(void *context, long index, long lane) {
  (void)lane;
  struct job *job = context;
  job->plain[index] += index + 1;
  if (job->is_nested && index % 7 == 0) {
    struct job *inner = calloc(1, sizeof *inner);
    if (!inner) abort();
    ck_pool_run(job->pool, 5, part, inner);
    for (long at = 0; at < 5; at++)
      if (inner->plain[at] != at + 1) abort();
    free(inner);
  }
}

static unsigned draw(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

struct caller {
  ck_pool *pool;
  unsigned seed;
  long parts;
  int failed;
};

static void *call(void *argument) {
  struct caller *self = argument;
  struct job *job = calloc(1, sizeof *job);
  if (!job) abort();
  job->pool = self->pool;
  for (int round = 0; round < ROUNDS; round++) {
    long count = (long[]){0, 1, 2, 3, 8, 61, 500, MOST}[draw(&self->seed) % 8];
    job->is_nested = round % 11 == 0;
    memset(job->plain, 0, sizeof job->plain);
    ck_pool_run(self->pool, count, part, job);
    for (long index = 0; index < MOST; index++)
      if (job->plain[index] != (index < count ? index + 1 : 0)) self->failed = 1;
    self->parts += count;
    // Long enough that workers fall asleep now and then.
    if (round % 16 == 0) nanosleep(&(struct timespec){0, 2000000}, NULL);
  }
  free(job);
  return NULL;
}

int main(void) {
  long parts = 0;
  for (int threads = 1; threads <= 5; threads++) {
    ck_pool *pool = ck_pool_create(threads);
    pthread_t callers[CALLERS];
    struct caller all[CALLERS];
    for (int index = 0; index < CALLERS; index++) {
      all[index] = (struct caller){pool, (unsigned)(threads * 100 + index), 0, 0};
      if (pthread_create(&callers[index], NULL, call, &all[index]) != 0) return 1;
    }
    for (int index = 0; index < CALLERS; index++) {
      pthread_join(callers[index], NULL);
      if (all[index].failed) {
        printf("a part was lost or run twice with %d threads\n", threads);
        return 1;
      }
      parts += all[index].parts;
    }
    ck_pool_destroy(pool);
  }
  for (int round = 0; round < 200; round++) ck_pool_destroy(ck_pool_create(1 + round % 4));
  printf("the thread pool: %ld parts of %d jobs by %d callers at once, without a race\n", parts,
         5 * CALLERS * ROUNDS, CALLERS);
  return 0;
}
