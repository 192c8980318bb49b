#define _GNU_SOURCE
#include "CKernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "result.h"

const char *ck_errno_name(int code) { return strerrorname_np(code); }

const char *ck_errno_message(int code, char *buffer, size_t size) {
  return strerror_r(code, buffer, size);
}

long ck_close(int fd) { return CK_RESULT(close(fd)); }
long ck_read(int fd, void *bytes, size_t count) { return CK_RESULT(read(fd, bytes, count)); }

long ck_write(int fd, const void *bytes, size_t count) {
  return CK_RESULT(write(fd, bytes, count));
}

long ck_pread(int fd, void *bytes, size_t count, int64_t offset) {
  return CK_RESULT(pread(fd, bytes, count, offset));
}

long ck_pwrite(int fd, const void *bytes, size_t count, int64_t offset) {
  return CK_RESULT(pwrite(fd, bytes, count, offset));
}

long ck_open(const char *path, int flags, unsigned mode) {
  int native = O_CLOEXEC;
  int both = CK_OPEN_READ | CK_OPEN_WRITE;
  if ((flags & both) == both) native |= O_RDWR;
  else if (flags & CK_OPEN_WRITE) native |= O_WRONLY;
  else native |= O_RDONLY;
  if (flags & CK_OPEN_CREATE) native |= O_CREAT;
  if (flags & CK_OPEN_EXCLUSIVE) native |= O_EXCL;
  if (flags & CK_OPEN_TRUNCATE) native |= O_TRUNC;
  if (flags & CK_OPEN_APPEND) native |= O_APPEND;
  if (flags & CK_OPEN_DIRECTORY) native |= O_DIRECTORY;
  if (flags & CK_OPEN_NO_FOLLOW) native |= O_NOFOLLOW;
  if (flags & CK_OPEN_NON_BLOCKING) native |= O_NONBLOCK;
  return CK_RESULT(open(path, native, mode));
}

long ck_fsync(int fd) { return CK_RESULT(fsync(fd)); }
long ck_fdatasync(int fd) { return CK_RESULT(fdatasync(fd)); }
long ck_ftruncate(int fd, int64_t size) { return CK_RESULT(ftruncate(fd, size)); }

long ck_fallocate(int fd, int64_t offset, int64_t length) {
  return CK_RESULT(fallocate(fd, 0, offset, length));
}

long ck_rename(const char *from, const char *to) { return CK_RESULT(rename(from, to)); }
long ck_unlink(const char *path) { return CK_RESULT(unlink(path)); }
long ck_mkdir(const char *path, unsigned mode) { return CK_RESULT(mkdir(path, mode)); }
long ck_rmdir(const char *path) { return CK_RESULT(rmdir(path)); }
long ck_chmod(const char *path, unsigned mode) { return CK_RESULT(chmod(path, mode)); }
long ck_fchmod(int fd, unsigned mode) { return CK_RESULT(fchmod(fd, mode)); }
long ck_flock(int fd) { return CK_RESULT(flock(fd, LOCK_EX | LOCK_NB)); }

static void fill(const struct stat *from, struct ck_file_info *info) {
  info->size = from->st_size;
  info->modified_ns = (int64_t)from->st_mtim.tv_sec * 1000000000 + from->st_mtim.tv_nsec;
  info->device = from->st_dev;
  info->inode = from->st_ino;
  info->mode = from->st_mode & 07777;
  info->owner = from->st_uid;
  info->kind = S_ISREG(from->st_mode)    ? CK_KIND_FILE
               : S_ISDIR(from->st_mode)  ? CK_KIND_DIRECTORY
               : S_ISSOCK(from->st_mode) ? CK_KIND_SOCKET
               : S_ISLNK(from->st_mode)  ? CK_KIND_LINK
                                         : CK_KIND_OTHER;
}

long ck_lstat(const char *path, struct ck_file_info *info) {
  struct stat native;
  if (lstat(path, &native) < 0) return -errno;
  fill(&native, info);
  return 0;
}

long ck_fstat(int fd, struct ck_file_info *info) {
  struct stat native;
  if (fstat(fd, &native) < 0) return -errno;
  fill(&native, info);
  return 0;
}

long ck_pipe(struct ck_ends *ends) {
  int native[2] = {-1, -1};
  long result = CK_RESULT(pipe2(native, O_CLOEXEC));
  *ends = (struct ck_ends){native[0], native[1]};
  return result;
}

long ck_duplicate(int fd) { return CK_RESULT(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

long ck_set_non_blocking(int fd, int on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  return CK_RESULT(fcntl(fd, F_SETFL, flags));
}

long ck_opendir(const char *path, void **directory) {
  DIR *opened = opendir(path);
  if (!opened) return -errno;
  *directory = opened;
  return 0;
}

const char *ck_readdir(void *directory) {
  for (;;) {
    struct dirent *entry = readdir(directory);
    if (!entry) return NULL;
    if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) return entry->d_name;
  }
}

void ck_closedir(void *directory) { closedir(directory); }

_Static_assert(
  CK_POLL_IN == POLLIN && CK_POLL_OUT == POLLOUT && CK_POLL_ERROR == POLLERR
    && CK_POLL_HANGUP == POLLHUP,
  "the poll bits are the kernel's");

long ck_poll(int fd, int events, int64_t timeout_ns) {
  struct pollfd one = {.fd = fd, .events = (short)events};
  struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
  int ready = ppoll(&one, 1, timeout_ns < 0 ? NULL : &timeout, NULL);
  if (ready < 0) return -errno;
  return ready == 0 ? 0 : one.revents;
}
