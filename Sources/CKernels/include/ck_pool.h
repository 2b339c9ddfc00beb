// A fixed set of threads that runs the parts of one job at a time.
#ifndef CK_POOL_H
#define CK_POOL_H

/// A part of a job: `index` is the part, `lane` the thread slot (0 is the calling thread) that runs
/// it.
typedef void (*ck_pool_body)(void *context, long index, long lane);

/// A pool; opaque.
typedef struct ck_pool ck_pool;

/// The number of cores that this process may run on, at least 1.
int ck_pool_available_cores(void);
/// Starts a pool of `threads` threads, the calling thread included; NULL when memory or threads are
/// out.
ck_pool *ck_pool_create(int threads);
/// The number of threads that really take part, the calling thread included.
int ck_pool_threads(const ck_pool *pool);
/// Runs `body` for every index in 0..<count and returns when all are done. When the pool is busy (a
/// nested call or another thread's job) the calling thread runs all of them itself, as lane 0.
void ck_pool_run(ck_pool *pool, long count, ck_pool_body body, void *context);
/// Stops and joins the threads and frees the pool.
void ck_pool_destroy(ck_pool *pool);

#endif
