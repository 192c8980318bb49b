#define _GNU_SOURCE
#include "CKernel.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "result.h"

static inline uint64_t now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t ck_clock_monotonic(void) { return now(CLOCK_MONOTONIC); }
uint64_t ck_clock_realtime(void) { return now(CLOCK_REALTIME); }
uint64_t ck_clock_process_cpu(void) { return now(CLOCK_PROCESS_CPUTIME_ID); }
uint64_t ck_clock_thread_cpu(void) { return now(CLOCK_THREAD_CPUTIME_ID); }

long ck_sleep_until(uint64_t absolute_ns) {
  struct timespec time = {
    (time_t)(absolute_ns / 1000000000), (long)(absolute_ns % 1000000000)};
  return -(long)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int one_cpu(int cpu, cpu_set_t *set) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return 0;
  CPU_ZERO(set);
  CPU_SET(cpu, set);
  return 1;
}

_Static_assert(sizeof(pthread_t) == sizeof(uint64_t), "a handle fits");

long ck_thread_spawn(
  void *(*body)(void *), void *argument, size_t stack_bytes, int cpu, uint64_t *handle) {
  pthread_attr_t attributes;
  int code = pthread_attr_init(&attributes);
  if (code != 0) return -(long)code;
  if (stack_bytes > 0) code = pthread_attr_setstacksize(&attributes, stack_bytes);
  if (code == 0 && cpu >= 0) {
    cpu_set_t set;
    code = one_cpu(cpu, &set) ? pthread_attr_setaffinity_np(&attributes, sizeof set, &set) : EINVAL;
  }
  pthread_t thread = 0;
  if (code == 0) code = pthread_create(&thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  *handle = (uint64_t)thread;
  return -(long)code;
}

long ck_thread_join(uint64_t handle) { return -(long)pthread_join((pthread_t)handle, NULL); }
long ck_thread_detach(uint64_t handle) { return -(long)pthread_detach((pthread_t)handle); }
long ck_thread_set_name(const char *name) {
  return -(long)pthread_setname_np(pthread_self(), name);
}

long ck_thread_name(char *name, size_t size) {
  return -(long)pthread_getname_np(pthread_self(), name, size);
}

long ck_thread_set_cpu(int cpu) {
  cpu_set_t set;
  if (!one_cpu(cpu, &set)) return -EINVAL;
  return -(long)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int32_t ck_thread_id(void) { return gettid(); }
void ck_thread_yield(void) { sched_yield(); }
