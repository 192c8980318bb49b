#pragma once
//
// What Swift cannot say itself: variadic calls, kernel structs, macros.
//
// Rules of this header:
// - It includes no system header, so that none of their names reaches Swift and no feature macro of
//   ours changes what another module sees. Kernel structs stay in the .c files.
// - A function that can fail returns a result of 0 or more, or minus the errno, so that nothing can
//   run between the call and the reading of its errno.
// - `CK_NOLOCKS` is a promise to the Swift compiler that the function neither allocates nor takes a
//   lock in this process. It belongs only on calls that go straight to the kernel.

#include <stddef.h>
#include <stdint.h>

#define CK_NOLOCKS __attribute__((swift_attr("@_noLocks")))

#pragma clang assume_nonnull begin

// MARK: errors

/// The name such as "ECONNREFUSED", or NULL when the number has none.
const char *_Nullable ck_errno_name(int code);
/// The message for `code`; it may or may not lie in `buffer`.
const char *ck_errno_message(int code, char *buffer, size_t size);

// MARK: descriptors and files

enum {
  CK_OPEN_READ = 1,
  CK_OPEN_WRITE = 2,
  CK_OPEN_CREATE = 4,
  CK_OPEN_EXCLUSIVE = 8,
  CK_OPEN_TRUNCATE = 16,
  CK_OPEN_APPEND = 32,
  CK_OPEN_DIRECTORY = 64,
  CK_OPEN_NO_FOLLOW = 128,
  CK_OPEN_NON_BLOCKING = 256,
};

struct ck_file_info {
  int64_t size;
  int64_t modified_ns;
  uint64_t device;
  uint64_t inode;
  uint32_t mode;  // permission bits only
  uint32_t owner;
  uint32_t kind;  // one of CK_KIND_…
};

enum { CK_KIND_OTHER = 0, CK_KIND_FILE = 1, CK_KIND_DIRECTORY = 2, CK_KIND_SOCKET = 3,
       CK_KIND_LINK = 4 };

/// The two ends of a pipe or of a pair of sockets.
struct ck_ends {
  int first;
  int second;
};

CK_NOLOCKS long ck_close(int fd);
CK_NOLOCKS long ck_read(int fd, void *bytes, size_t count);
CK_NOLOCKS long ck_write(int fd, const void *bytes, size_t count);
CK_NOLOCKS long ck_pread(int fd, void *bytes, size_t count, int64_t offset);
CK_NOLOCKS long ck_pwrite(int fd, const void *bytes, size_t count, int64_t offset);
/// Always close-on-exec. `flags` are CK_OPEN_….
long ck_open(const char *path, int flags, unsigned mode);
CK_NOLOCKS long ck_fsync(int fd);
CK_NOLOCKS long ck_fdatasync(int fd);
long ck_ftruncate(int fd, int64_t size);
long ck_fallocate(int fd, int64_t offset, int64_t length);
long ck_rename(const char *from, const char *to);
long ck_unlink(const char *path);
long ck_mkdir(const char *path, unsigned mode);
long ck_rmdir(const char *path);
long ck_chmod(const char *path, unsigned mode);
long ck_fchmod(int fd, unsigned mode);
/// An exclusive lock, not waited for.
long ck_flock(int fd);
/// Does not follow a link in the last part of the path.
long ck_lstat(const char *path, struct ck_file_info *info);
long ck_fstat(int fd, struct ck_file_info *info);
/// First the end to read from.
long ck_pipe(struct ck_ends *ends);
long ck_duplicate(int fd);
long ck_set_non_blocking(int fd, int on);
long ck_opendir(const char *path, void *_Nullable *_Nonnull directory);
/// The next name without "." and "..", or NULL at the end.
const char *_Nullable ck_readdir(void *directory);
void ck_closedir(void *directory);

enum { CK_POLL_IN = 1, CK_POLL_OUT = 4, CK_POLL_ERROR = 8, CK_POLL_HANGUP = 16 };
/// Waits for one descriptor; below 0 means for ever. Returns the events, 0 at the timeout.
CK_NOLOCKS long ck_poll(int fd, int events, int64_t timeout_ns);

// MARK: sockets

enum { CK_FAMILY_OTHER = 0, CK_FAMILY_UNIX = 1, CK_FAMILY_IPV4 = 2, CK_FAMILY_IPV6 = 3 };
/// Room for every kind of socket address, and how much of it is used.
struct ck_address {
  uint64_t storage[16];
  uint32_t length;
};

enum {
  CK_SOCKET_ERROR,
  CK_SOCKET_REUSE_ADDRESS,
  CK_SOCKET_REUSE_PORT,
  CK_SOCKET_SEND_BUFFER,
  CK_SOCKET_RECEIVE_BUFFER,
  CK_SOCKET_KEEPALIVE,
  CK_TCP_NO_DELAY,
  CK_TCP_QUICK_ACK,
  CK_TCP_NOT_SENT_LOW_WATER,
  CK_TCP_KEEPALIVE_IDLE,
  CK_TCP_KEEPALIVE_INTERVAL,
  CK_TCP_KEEPALIVE_COUNT,
  CK_TCP_USER_TIMEOUT,
  CK_IPV6_ONLY,
};

/// Stream socket, close-on-exec.
long ck_socket(int family, int non_blocking);
long ck_socketpair(struct ck_ends *ends, int non_blocking);
long ck_bind(int fd, const struct ck_address *address);
long ck_listen(int fd, int backlog);
/// The accepted socket is close-on-exec and non-blocking.
CK_NOLOCKS long ck_accept(int fd, struct ck_address *address);
long ck_connect(int fd, const struct ck_address *address);
long ck_local_address(int fd, struct ck_address *address);
long ck_peer_address(int fd, struct ck_address *address);
CK_NOLOCKS long ck_receive(int fd, void *bytes, size_t count);
CK_NOLOCKS long ck_send(int fd, const void *bytes, size_t count);
/// `vectors` points to `count` structs laid out as struct iovec.
CK_NOLOCKS long ck_send_vectors(int fd, const void *vectors, size_t count);
/// 0: no more reading, 1: no more writing, 2: neither.
long ck_shutdown(int fd, int how);
long ck_set_option(int fd, int option, int value);
long ck_get_option(int fd, int option);
/// Closing drops what is unsent and resets the connection.
long ck_set_reset_on_close(int fd);
long ck_set_congestion(int fd, const char *name);
long ck_get_congestion(int fd, char *name, size_t size);

void ck_address_ipv4(struct ck_address *address, uint32_t host, uint16_t port);
void ck_address_ipv6(
  struct ck_address *address, const uint8_t *host, uint16_t port, uint32_t scope);
/// 0 when the path does not fit.
int ck_address_unix(struct ck_address *address, const char *path, size_t length);
size_t ck_address_path_max(void);
int ck_address_family(const struct ck_address *address);
uint16_t ck_address_port(const struct ck_address *address);
uint32_t ck_address_host_ipv4(const struct ck_address *address);
void ck_address_host_ipv6(const struct ck_address *address, uint8_t *host, uint32_t *scope);
/// The path's bytes, not terminated, and how many they are.
const char *ck_address_path(const struct ck_address *address, size_t *length);
int ck_parse_ipv4(const char *text, uint32_t *host);
int ck_parse_ipv6(const char *text, uint8_t *host);
/// `text` has room for 46 bytes.
void ck_format_ipv6(const uint8_t *host, char *text);
uint32_t ck_interface_index(const char *name);
/// Asks the resolver. Fills up to `capacity` addresses and returns how many, or minus one with the
/// resolver's code in `failure`.
long ck_resolve(
  const char *name, uint16_t port, struct ck_address *addresses, size_t capacity, int *failure);
const char *ck_resolve_message(int failure);

size_t ck_iovec_size(void);
size_t ck_iovec_base_offset(void);
size_t ck_iovec_count_offset(void);
/// The most vectors that one send takes.
enum { CK_VECTORS_MAX = 1024 };

// MARK: readiness, wake-ups, signals, timers

enum { CK_EPOLL_ADD = 1, CK_EPOLL_REMOVE = 2, CK_EPOLL_MODIFY = 3 };
#if defined(__x86_64__)
enum { CK_EPOLL_EVENT_STRIDE = 12, CK_EPOLL_WORD_OFFSET = 4 };
#else
enum { CK_EPOLL_EVENT_STRIDE = 16, CK_EPOLL_WORD_OFFSET = 8 };
#endif

CK_NOLOCKS static inline uint32_t ck_epoll_mask(const void *events, size_t index) {
  uint32_t mask;
  __builtin_memcpy(&mask, (const char *)events + index * CK_EPOLL_EVENT_STRIDE, sizeof mask);
  return mask;
}

CK_NOLOCKS static inline uint64_t ck_epoll_word(const void *events, size_t index) {
  uint64_t word;
  __builtin_memcpy(
    &word, (const char *)events + index * CK_EPOLL_EVENT_STRIDE + CK_EPOLL_WORD_OFFSET,
    sizeof word);
  return word;
}

long ck_epoll_create(void);
CK_NOLOCKS long ck_epoll_control(int epoll, int operation, int fd, uint32_t mask, uint64_t word);
CK_NOLOCKS long ck_epoll_wait_ns(int epoll, void *events, int capacity, uint64_t timeout_ns);
/// Below 0 means for ever.
CK_NOLOCKS long ck_epoll_wait_ms(int epoll, void *events, int capacity, int timeout_ms);
long ck_eventfd(void);
CK_NOLOCKS long ck_eventfd_add(int fd, uint64_t amount);
CK_NOLOCKS long ck_eventfd_drain(int fd, uint64_t *total);
/// `absolute_ns` on the monotonic clock; 0 disarms.
CK_NOLOCKS long ck_timerfd_set(int fd, uint64_t absolute_ns, uint64_t interval_ns);
long ck_timerfd(void);
/// Bit n - 1 of `signals` stands for signal n.
long ck_signals_block(uint64_t signals);
long ck_signals_unblock(uint64_t signals);
uint64_t ck_signals_blocked(void);
long ck_signalfd(uint64_t signals);
/// The signal's number; the sender's process in `sender`.
long ck_signalfd_read(int fd, int32_t *sender);
long ck_ignore_signal(int signal);
int ck_signal_ignored(int signal);
/// Sends to the calling thread.
long ck_raise(int signal);
long ck_kill(int process, int signal);

// MARK: clocks and threads

CK_NOLOCKS uint64_t ck_clock_monotonic(void);
CK_NOLOCKS uint64_t ck_clock_realtime(void);
CK_NOLOCKS uint64_t ck_clock_process_cpu(void);
CK_NOLOCKS uint64_t ck_clock_thread_cpu(void);
/// Until a time of the monotonic clock.
CK_NOLOCKS long ck_sleep_until(uint64_t absolute_ns);

/// Tells the core that this is a spin loop.
CK_NOLOCKS static inline void ck_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// `stack_bytes` 0 takes the default; `cpu` below 0 means any.
long ck_thread_spawn(
  void *_Nullable (*_Nonnull body)(void *_Nullable), void *_Nullable argument,
  size_t stack_bytes, int cpu, uint64_t *handle);
long ck_thread_join(uint64_t handle);
long ck_thread_detach(uint64_t handle);
/// At most 15 bytes and a terminator.
long ck_thread_set_name(const char *name);
long ck_thread_name(char *name, size_t size);
long ck_thread_set_cpu(int cpu);
int32_t ck_thread_id(void);
void ck_thread_yield(void);

// MARK: memory

size_t ck_page_size(void);
long ck_map_file(int fd, size_t length, int writable, void *_Nullable *_Nonnull start);
long ck_map_anonymous(size_t length, void *_Nullable *_Nonnull start);
long ck_unmap(void *start, size_t length);
/// Gives a range of a writable mapping its pages now. Fails where a first write would be a fault.
long ck_populate(void *start, size_t length);
/// Puts private zeros in the place of a range of a mapping.
long ck_replace_with_private(void *start, size_t length);
CK_NOLOCKS long ck_discard(void *start, size_t length);
/// Bytes of the range that are in memory now.
long ck_resident(void *start, size_t length);

// MARK: process and machine

enum { CK_FD_INHERIT = -1, CK_FD_NULL = -2 };

/// `arguments` and `environment` end with NULL; a NULL environment is inherited. The child starts
/// with no signal blocked and SIGPIPE at its default. Looks in PATH when `path` has no slash.
long ck_spawn(
  const char *path, char *_Nullable const *_Nonnull arguments,
  char *_Nullable const *_Nullable environment, int input, int output, int error);
/// The process id, or 0 when it still runs and `wait` is 0. `kind`: 0 for an exit, 1 for a signal.
long ck_wait_process(int process, int wait, int *kind, int *code);
long ck_pidfd(int process);
__attribute__((noreturn)) void ck_exit_now(int32_t code);

int32_t ck_process_id(void);
uint32_t ck_user_id(void);
const char *_Nullable ck_environment(const char *name);
const char *_Nullable ck_working_directory(char *buffer, size_t size);
long ck_set_environment(const char *name, const char *_Nullable value);
long ck_cpus_online(void);
long ck_cpus_usable(void);
long ck_descriptor_limit(uint64_t *soft, uint64_t *hard);
long ck_set_descriptor_limit(uint64_t soft);
CK_NOLOCKS long ck_random(void *bytes, size_t count);
/// User and system time and the context switches of this process.
long ck_usage(uint64_t *user_ns, uint64_t *system_ns, int64_t *voluntary, int64_t *involuntary);

int ck_is_terminal(int fd);
long ck_terminal_size(int fd, int *columns, int *rows);
long ck_terminal_resize(int fd, int columns, int rows);
/// A terminal without a device: first the side of the screen and keyboard, then the terminal.
long ck_pseudo_terminal(struct ck_ends *ends, int columns, int rows);
enum { CK_TERMINAL_STATE_SIZE = 128 };
/// Saves the state and turns off echo, line editing and (when `signals` is 0) signal keys.
long ck_terminal_raw(int fd, void *saved, int signals);
long ck_terminal_restore(int fd, const void *saved);

#pragma clang assume_nonnull end
