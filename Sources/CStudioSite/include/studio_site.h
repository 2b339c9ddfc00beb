// The files of the web studio's page, embedded in the program.
#ifndef STUDIO_SITE_H
#define STUDIO_SITE_H

#include <stdint.h>

typedef struct {
  const char *name;
  const unsigned char *bytes;
  uint64_t size;
} studio_site_entry;

/// How many files there are.
uint32_t studio_site_count(void);
/// A file by its number; without name and bytes where there is none.
studio_site_entry studio_site_file(uint32_t index);

#endif
