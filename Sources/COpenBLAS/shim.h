// OpenBLAS: its C interface to BLAS, and the one routine of its LAPACK that is called.
#include <cblas.h>

/// Eigenvalues (job "N") or also eigenvectors (job "V") of a symmetric matrix, in ascending order (LAPACK).
void dsyev_(
    const char *job, const char *triangle, const int *size, double *matrix, const int *stride,
    double *eigenvalues, double *work, const int *workCount, int *information);
