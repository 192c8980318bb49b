#define _GNU_SOURCE
#include "CKernel.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "result.h"

size_t ck_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static long map(int fd, size_t length, int protection, int flags, void **start) {
  void *mapped = mmap(NULL, length, protection, flags, fd, 0);
  if (mapped == MAP_FAILED) return -errno;
  *start = mapped;
  return 0;
}

long ck_map_file(int fd, size_t length, int writable, void **start) {
  return map(fd, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, start);
}

long ck_map_anonymous(size_t length, void **start) {
  return map(
    -1, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, start);
}

long ck_unmap(void *start, size_t length) { return CK_RESULT(munmap(start, length)); }

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

long ck_populate(void *start, size_t length) {
  if (madvise(start, length, MADV_POPULATE_WRITE) == 0) return 0;
  // The range is mapped, so this says that a write to it would find no room in the file system.
  return errno == EFAULT ? -ENOSPC : -errno;
}

long ck_replace_with_private(void *start, size_t length) {
  void *mapped = mmap(
    start, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
    -1, 0);
  return mapped == MAP_FAILED ? -errno : 0;
}

long ck_discard(void *start, size_t length) {
  return CK_RESULT(madvise(start, length, MADV_DONTNEED));
}

long ck_resident(void *start, size_t length) {
  size_t page = ck_page_size();
  long resident = 0;
  unsigned char states[256];
  // In pieces, so that the answer needs no memory of its own.
  for (size_t offset = 0; offset < length; offset += sizeof states * page) {
    size_t piece = length - offset;
    if (piece > sizeof states * page) piece = sizeof states * page;
    if (mincore((char *)start + offset, piece, states) < 0) return -errno;
    for (size_t index = 0; index < (piece + page - 1) / page; index += 1)
      if (states[index] & 1) resident += (long)page;
  }
  return resident;
}
