#define _GNU_SOURCE
#include "CKernel.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "result.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

_Static_assert(CK_EPOLL_EVENT_STRIDE == sizeof(struct epoll_event), "the kernel's layout");
_Static_assert(CK_EPOLL_WORD_OFFSET == offsetof(struct epoll_event, data), "the kernel's layout");
_Static_assert(
  CK_EPOLL_ADD == EPOLL_CTL_ADD && CK_EPOLL_REMOVE == EPOLL_CTL_DEL
    && CK_EPOLL_MODIFY == EPOLL_CTL_MOD,
  "the kernel's numbers");

long ck_epoll_create(void) { return CK_RESULT(epoll_create1(EPOLL_CLOEXEC)); }

long ck_epoll_control(int epoll, int operation, int fd, uint32_t mask, uint64_t word) {
  struct epoll_event event = {.events = mask, .data.u64 = word};
  return CK_RESULT(epoll_ctl(epoll, operation, fd, &event));
}

// Called by number because C libraries gained the wrapper later than kernels gained the call.
long ck_epoll_wait_ns(int epoll, void *events, int capacity, uint64_t timeout_ns) {
  struct {
    int64_t seconds;
    int64_t nanoseconds;
  } timeout = {(int64_t)(timeout_ns / 1000000000), (int64_t)(timeout_ns % 1000000000)};
  return CK_RESULT(syscall(SYS_epoll_pwait2, epoll, events, capacity, &timeout, NULL, 0));
}

long ck_epoll_wait_ms(int epoll, void *events, int capacity, int timeout_ms) {
  return CK_RESULT(epoll_wait(epoll, events, capacity, timeout_ms));
}

long ck_eventfd(void) { return CK_RESULT(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

long ck_eventfd_add(int fd, uint64_t amount) {
  return CK_RESULT(write(fd, &amount, sizeof amount));
}

long ck_eventfd_drain(int fd, uint64_t *total) { return CK_RESULT(read(fd, total, sizeof *total)); }

long ck_timerfd(void) {
  return CK_RESULT(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

long ck_timerfd_set(int fd, uint64_t absolute_ns, uint64_t interval_ns) {
  struct itimerspec times = {
    .it_interval = {(time_t)(interval_ns / 1000000000), (long)(interval_ns % 1000000000)},
    .it_value = {(time_t)(absolute_ns / 1000000000), (long)(absolute_ns % 1000000000)},
  };
  return CK_RESULT(timerfd_settime(fd, TFD_TIMER_ABSTIME, &times, NULL));
}

static sigset_t native_set(uint64_t signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int number = 1; number <= 64; number += 1)
    if (signals >> (number - 1) & 1) sigaddset(&set, number);
  return set;
}

long ck_signals_block(uint64_t signals) {
  sigset_t set = native_set(signals);
  return -(long)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

long ck_signals_unblock(uint64_t signals) {
  sigset_t set = native_set(signals);
  return -(long)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

uint64_t ck_signals_blocked(void) {
  sigset_t set;
  pthread_sigmask(SIG_BLOCK, NULL, &set);
  uint64_t signals = 0;
  for (int number = 1; number <= 64; number += 1)
    if (sigismember(&set, number) == 1) signals |= 1ull << (number - 1);
  return signals;
}

long ck_signalfd(uint64_t signals) {
  sigset_t set = native_set(signals);
  return CK_RESULT(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

long ck_signalfd_read(int fd, int32_t *sender) {
  struct signalfd_siginfo info;
  long count = CK_RESULT(read(fd, &info, sizeof info));
  if (count < 0) return count;
  *sender = (int32_t)info.ssi_pid;
  return info.ssi_signo;
}

long ck_ignore_signal(int number) {
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  return CK_RESULT(sigaction(number, &ignore, NULL));
}

int ck_signal_ignored(int number) {
  struct sigaction now;
  return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

long ck_raise(int number) { return -(long)pthread_kill(pthread_self(), number); }
long ck_kill(int process, int number) { return CK_RESULT(kill(process, number)); }
