// The files of the web studio's page, embedded in the program, and the allocator's settings.
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

/// Keeps the allocator from a region of its own for every thread; called once, before there are
/// threads.
void studio_be_frugal(void);
/// Gives memory that is free back to the system.
void studio_give_back(void);

#endif
