#define _GNU_SOURCE
#include "CKernel.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "result.h"

static int native_family(int family) {
  switch (family) {
    case CK_FAMILY_UNIX: return AF_UNIX;
    case CK_FAMILY_IPV4: return AF_INET;
    case CK_FAMILY_IPV6: return AF_INET6;
    default: return AF_UNSPEC;
  }
}

static int stream_kind(int non_blocking) {
  return SOCK_STREAM | SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0);
}

long ck_socket(int family, int non_blocking) {
  return CK_RESULT(socket(native_family(family), stream_kind(non_blocking), 0));
}

long ck_socketpair(struct ck_ends *ends, int non_blocking) {
  int native[2] = {-1, -1};
  long result = CK_RESULT(socketpair(AF_UNIX, stream_kind(non_blocking), 0, native));
  *ends = (struct ck_ends){native[0], native[1]};
  return result;
}

long ck_bind(int fd, const struct ck_address *address) {
  return CK_RESULT(bind(fd, (const struct sockaddr *)address->storage, address->length));
}

long ck_listen(int fd, int backlog) { return CK_RESULT(listen(fd, backlog)); }

long ck_accept(int fd, struct ck_address *address) {
  address->length = sizeof address->storage;
  return CK_RESULT(accept4(
    fd, (struct sockaddr *)address->storage, &address->length, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

long ck_connect(int fd, const struct ck_address *address) {
  return CK_RESULT(connect(fd, (const struct sockaddr *)address->storage, address->length));
}

long ck_local_address(int fd, struct ck_address *address) {
  address->length = sizeof address->storage;
  return CK_RESULT(getsockname(fd, (struct sockaddr *)address->storage, &address->length));
}

long ck_peer_address(int fd, struct ck_address *address) {
  address->length = sizeof address->storage;
  return CK_RESULT(getpeername(fd, (struct sockaddr *)address->storage, &address->length));
}

long ck_receive(int fd, void *bytes, size_t count) { return CK_RESULT(recv(fd, bytes, count, 0)); }

long ck_send(int fd, const void *bytes, size_t count) {
  return CK_RESULT(send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT));
}

long ck_send_vectors(int fd, const void *vectors, size_t count) {
  struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = count};
  return CK_RESULT(sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

_Static_assert(CK_VECTORS_MAX == IOV_MAX, "the limit is the kernel's");
size_t ck_iovec_size(void) { return sizeof(struct iovec); }
size_t ck_iovec_base_offset(void) { return offsetof(struct iovec, iov_base); }
size_t ck_iovec_count_offset(void) { return offsetof(struct iovec, iov_len); }

_Static_assert(SHUT_RD == 0 && SHUT_WR == 1 && SHUT_RDWR == 2, "as the header says");
long ck_shutdown(int fd, int how) { return CK_RESULT(shutdown(fd, how)); }

static const struct {
  int level;
  int name;
} options[] = {
  [CK_SOCKET_ERROR] = {SOL_SOCKET, SO_ERROR},
  [CK_SOCKET_REUSE_ADDRESS] = {SOL_SOCKET, SO_REUSEADDR},
  [CK_SOCKET_REUSE_PORT] = {SOL_SOCKET, SO_REUSEPORT},
  [CK_SOCKET_SEND_BUFFER] = {SOL_SOCKET, SO_SNDBUF},
  [CK_SOCKET_RECEIVE_BUFFER] = {SOL_SOCKET, SO_RCVBUF},
  [CK_SOCKET_KEEPALIVE] = {SOL_SOCKET, SO_KEEPALIVE},
  [CK_TCP_NO_DELAY] = {IPPROTO_TCP, TCP_NODELAY},
  [CK_TCP_QUICK_ACK] = {IPPROTO_TCP, TCP_QUICKACK},
  [CK_TCP_NOT_SENT_LOW_WATER] = {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
  [CK_TCP_KEEPALIVE_IDLE] = {IPPROTO_TCP, TCP_KEEPIDLE},
  [CK_TCP_KEEPALIVE_INTERVAL] = {IPPROTO_TCP, TCP_KEEPINTVL},
  [CK_TCP_KEEPALIVE_COUNT] = {IPPROTO_TCP, TCP_KEEPCNT},
  [CK_TCP_USER_TIMEOUT] = {IPPROTO_TCP, TCP_USER_TIMEOUT},
  [CK_IPV6_ONLY] = {IPPROTO_IPV6, IPV6_V6ONLY},
};

long ck_set_option(int fd, int option, int value) {
  return CK_RESULT(
    setsockopt(fd, options[option].level, options[option].name, &value, sizeof value));
}

long ck_get_option(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(fd, options[option].level, options[option].name, &value, &length) < 0)
    return -errno;
  return value;
}

long ck_set_reset_on_close(int fd) {
  struct linger none = {.l_onoff = 1, .l_linger = 0};
  return CK_RESULT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none));
}

long ck_set_congestion(int fd, const char *name) {
  return CK_RESULT(
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)));
}

long ck_get_congestion(int fd, char *name, size_t size) {
  socklen_t length = (socklen_t)(size - 1);
  if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) < 0) return -errno;
  name[length] = 0;
  return 0;
}
