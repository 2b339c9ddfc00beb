// The thread pool: persistent workers that spin briefly for the next job and then sleep on a
// condition variable.
//
// A job is published by setting `remaining`; a thread takes a part by lowering it. Who has lowered
// it may read the job's fields, since the job cannot end (and the fields cannot change) before that
// part is counted in `done`.
#include "ck_pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct worker {
  pthread_t thread;
  struct ck_pool *pool;
  long lane;
};

struct ck_pool {
  _Alignas(64) _Atomic long remaining;
  _Alignas(64) _Atomic long done;
  _Alignas(64) _Atomic int sleepers;
  _Atomic int stop;
  long count;
  ck_pool_body body;
  void *context;
  int threads;
  int spins;
  pthread_mutex_t owner; // held while a job runs
  pthread_mutex_t sleep_lock;
  pthread_cond_t wake;
  struct worker *workers;
};

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

int ck_pool_available_cores(void) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    int cores = CPU_COUNT(&set);
    if (cores > 0) return cores;
  }
#endif
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return cores > 0 ? (int)cores : 1;
}

// Takes parts until none is left.
static void take_parts(struct ck_pool *pool, long lane) {
  long left = atomic_load_explicit(&pool->remaining, memory_order_acquire);
  while (left > 0) {
    if (atomic_compare_exchange_weak_explicit(&pool->remaining, &left, left - 1,
                                              memory_order_acq_rel, memory_order_acquire)) {
      pool->body(pool->context, pool->count - left, lane);
      atomic_fetch_add_explicit(&pool->done, 1, memory_order_acq_rel);
      left = atomic_load_explicit(&pool->remaining, memory_order_acquire);
    }
  }
}

static void *work(void *argument) {
  struct worker *self = argument;
  struct ck_pool *pool = self->pool;
  int idle = 0;
  for (;;) {
    if (atomic_load_explicit(&pool->remaining, memory_order_acquire) > 0) {
      take_parts(pool, self->lane);
      idle = 0;
    } else if (atomic_load_explicit(&pool->stop, memory_order_acquire)) {
      return NULL;
    } else if (idle < pool->spins) {
      idle += 1;
      relax();
    } else {
      pthread_mutex_lock(&pool->sleep_lock);
      atomic_fetch_add(&pool->sleepers, 1);
      while (atomic_load(&pool->remaining) <= 0 && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->wake, &pool->sleep_lock);
      atomic_fetch_sub(&pool->sleepers, 1);
      pthread_mutex_unlock(&pool->sleep_lock);
      idle = 0;
    }
  }
}

ck_pool *ck_pool_create(int threads) {
  if (threads < 1) threads = 1;
  struct ck_pool *pool = NULL;
  if (posix_memalign((void **)&pool, 64, sizeof *pool) != 0) return NULL;
  atomic_init(&pool->remaining, 0);
  atomic_init(&pool->done, 0);
  atomic_init(&pool->sleepers, 0);
  atomic_init(&pool->stop, 0);
  pool->count = 0;
  pool->body = NULL;
  pool->context = NULL;
  pool->threads = 1;
  // A pause takes some 15 ns: about 40 microseconds where each thread has its core.
  pool->spins = threads <= ck_pool_available_cores() ? 2500 : 60;
  pthread_mutex_init(&pool->owner, NULL);
  pthread_mutex_init(&pool->sleep_lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pool->workers = calloc((size_t)threads, sizeof *pool->workers);
  if (pool->workers == NULL) {
    ck_pool_destroy(pool);
    return NULL;
  }
  for (int lane = 1; lane < threads; lane++) {
    struct worker *worker = &pool->workers[lane - 1];
    worker->pool = pool;
    worker->lane = lane;
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) break;
    pool->threads += 1;
  }
  return pool;
}

int ck_pool_threads(const ck_pool *pool) { return pool->threads; }

void ck_pool_run(ck_pool *pool, long count, ck_pool_body body, void *context) {
  if (count <= 0) return;
  if (count == 1 || pool->threads == 1 || pthread_mutex_trylock(&pool->owner) != 0) {
    for (long index = 0; index < count; index++) body(context, index, 0);
    return;
  }
  pool->count = count;
  pool->body = body;
  pool->context = context;
  atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
  atomic_store(&pool->remaining, count);
  if (atomic_load(&pool->sleepers) > 0) {
    pthread_mutex_lock(&pool->sleep_lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->sleep_lock);
  }
  take_parts(pool, 0);
  int idle = 0;
  while (atomic_load_explicit(&pool->done, memory_order_acquire) < count) {
    relax();
    if (++idle > pool->spins) sched_yield();
  }
  pthread_mutex_unlock(&pool->owner);
}

void ck_pool_destroy(ck_pool *pool) {
  if (pool == NULL) return;
  pthread_mutex_lock(&pool->sleep_lock);
  atomic_store(&pool->stop, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->sleep_lock);
  for (int lane = 1; lane < pool->threads; lane++)
    pthread_join(pool->workers[lane - 1].thread, NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->sleep_lock);
  pthread_mutex_destroy(&pool->owner);
  free(pool->workers);
  free(pool);
}
