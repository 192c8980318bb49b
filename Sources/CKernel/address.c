#define _GNU_SOURCE
#include "CKernel.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

_Static_assert(
  sizeof(((struct ck_address *)0)->storage) == sizeof(struct sockaddr_storage),
  "room for every address");

void ck_address_ipv4(struct ck_address *address, uint32_t host, uint16_t port) {
  memset(address, 0, sizeof *address);
  struct sockaddr_in *native = (void *)address->storage;
  native->sin_family = AF_INET;
  native->sin_port = htons(port);
  native->sin_addr.s_addr = htonl(host);
  address->length = sizeof *native;
}

void ck_address_ipv6(
  struct ck_address *address, const uint8_t *host, uint16_t port, uint32_t scope) {
  memset(address, 0, sizeof *address);
  struct sockaddr_in6 *native = (void *)address->storage;
  native->sin6_family = AF_INET6;
  native->sin6_port = htons(port);
  native->sin6_scope_id = scope;
  memcpy(&native->sin6_addr, host, sizeof native->sin6_addr);
  address->length = sizeof *native;
}

// One byte is left for the terminator, which the kernel does not need but other programs expect.
size_t ck_address_path_max(void) { return sizeof(((struct sockaddr_un *)0)->sun_path) - 1; }

int ck_address_unix(struct ck_address *address, const char *path, size_t length) {
  if (length > ck_address_path_max()) return 0;
  memset(address, 0, sizeof *address);
  struct sockaddr_un *native = (void *)address->storage;
  native->sun_family = AF_UNIX;
  memcpy(native->sun_path, path, length);
  address->length = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
  return 1;
}

int ck_address_family(const struct ck_address *address) {
  if (address->length < sizeof(sa_family_t)) return CK_FAMILY_OTHER;
  switch (((const struct sockaddr *)address->storage)->sa_family) {
    case AF_UNIX: return CK_FAMILY_UNIX;
    case AF_INET: return CK_FAMILY_IPV4;
    case AF_INET6: return CK_FAMILY_IPV6;
    default: return CK_FAMILY_OTHER;
  }
}

// IPv4 and IPv6 keep the port in the same place.
_Static_assert(
  offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port), "same place");
uint16_t ck_address_port(const struct ck_address *address) {
  return ntohs(((const struct sockaddr_in *)address->storage)->sin_port);
}

uint32_t ck_address_host_ipv4(const struct ck_address *address) {
  return ntohl(((const struct sockaddr_in *)address->storage)->sin_addr.s_addr);
}

void ck_address_host_ipv6(const struct ck_address *address, uint8_t *host, uint32_t *scope) {
  const struct sockaddr_in6 *native = (const void *)address->storage;
  memcpy(host, &native->sin6_addr, sizeof native->sin6_addr);
  *scope = native->sin6_scope_id;
}

const char *ck_address_path(const struct ck_address *address, size_t *length) {
  const struct sockaddr_un *native = (const void *)address->storage;
  const uint32_t start = offsetof(struct sockaddr_un, sun_path);
  // A socket without a name has no path at all, and an abstract name begins with a zero byte.
  if (address->length <= start || native->sun_path[0] == 0) *length = 0;
  else *length = strnlen(native->sun_path, address->length - start);
  return native->sun_path;
}

int ck_parse_ipv4(const char *text, uint32_t *host) {
  struct in_addr native;
  if (inet_pton(AF_INET, text, &native) != 1) return 0;
  *host = ntohl(native.s_addr);
  return 1;
}

int ck_parse_ipv6(const char *text, uint8_t *host) { return inet_pton(AF_INET6, text, host) == 1; }

void ck_format_ipv6(const uint8_t *host, char *text) {
  inet_ntop(AF_INET6, host, text, INET6_ADDRSTRLEN);
}

uint32_t ck_interface_index(const char *name) { return if_nametoindex(name); }

long ck_resolve(
  const char *name, uint16_t port, struct ck_address *addresses, size_t capacity, int *failure) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  char service[8];
  snprintf(service, sizeof service, "%u", port);
  int code = getaddrinfo(name, service, &hints, &found);
  if (code != 0) {
    *failure = code;
    return -1;
  }
  size_t count = 0;
  for (struct addrinfo *one = found; one && count < capacity; one = one->ai_next) {
    if (one->ai_addrlen > sizeof addresses->storage) continue;
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    memset(&addresses[count], 0, sizeof *addresses);
    memcpy(addresses[count].storage, one->ai_addr, one->ai_addrlen);
    addresses[count].length = one->ai_addrlen;
    count += 1;
  }
  freeaddrinfo(found);
  return (long)count;
}

const char *ck_resolve_message(int failure) { return gai_strerror(failure); }
