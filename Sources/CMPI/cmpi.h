// The few calls of MPI that AtelierCluster makes, as functions: what MPI names by macros Swift cannot see.
#ifndef CMPI_H
#define CMPI_H

#include <mpi.h>
#include <stddef.h>
#include <string.h>

/// A message on its way; what MPI has for it is a pointer here and a number there.
typedef struct {
  MPI_Request request;
} cmpi_request;

/// Whether the library that runs is the one whose header this was built with: a build folder that was used for the
/// other one keeps its header, and the handles of one are wild pointers for the other.
static inline int cmpi_is_of_its_header(void) {
  char version[MPI_MAX_LIBRARY_VERSION_STRING + 1] = {0};
  int length = 0;
  MPI_Get_library_version(version, &length);
#ifdef OPEN_MPI
  return strncmp(version, "Open MPI", 8) == 0;
#else
  return strncmp(version, "Open MPI", 8) != 0;
#endif
}

/// Begins, with calls from one thread at a time; 0 where MPI can do that, else its level of threads + 1.
static inline int cmpi_begin(void) {
  int provided = 0;
  if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS) return 1;
  return provided >= MPI_THREAD_SERIALIZED ? 0 : provided + 1;
}

static inline int cmpi_rank(void) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

static inline int cmpi_count(void) {
  int count = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &count);
  return count;
}

/// The longest name of a machine, its end included.
static inline int cmpi_name_capacity(void) { return MPI_MAX_PROCESSOR_NAME + 1; }

static inline void cmpi_name(char *name) {
  int length = 0;
  MPI_Get_processor_name(name, &length);
  name[length] = 0;
}

static inline int cmpi_send(const void *bytes, int count, int rank, int tag, cmpi_request *request) {
  return MPI_Isend(bytes, count, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &request->request);
}

static inline int cmpi_receive(void *bytes, int count, int rank, int tag, cmpi_request *request) {
  return MPI_Irecv(bytes, count, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &request->request);
}

/// As many bytes of every rank, in order of rank.
static inline int cmpi_gather(const void *own, int count, void *all, cmpi_request *request) {
  return MPI_Iallgather(own, count, MPI_BYTE, all, count, MPI_BYTE, MPI_COMM_WORLD, &request->request);
}

/// Every rank's bytes, each at its place.
static inline int cmpi_gather_rest(
    const void *own, int count, void *all, const int *counts, const int *places, cmpi_request *request) {
  return MPI_Iallgatherv(own, count, MPI_BYTE, all, counts, places, MPI_BYTE, MPI_COMM_WORLD, &request->request);
}

/// Whether all are done: 1 yes, 0 not yet, -1 for an error.
static inline int cmpi_are_done(int count, cmpi_request *requests) {
  int flag = 0;
  return MPI_Testall(count, &requests->request, &flag, MPI_STATUSES_IGNORE) == MPI_SUCCESS ? flag : -1;
}

/// Ends in good order, which all ranks do.
static inline void cmpi_end(void) { MPI_Finalize(); }

/// Ends all ranks.
static inline void cmpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

#endif
