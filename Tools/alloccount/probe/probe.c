#define _GNU_SOURCE
#include "CallProbe.h"

#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>

// The functions, with their kinds. The first nine are the allocator's and are defined below.
#define ALLOCATOR(X)       \
  X(0, malloc, 'a')        \
  X(1, calloc, 'a')        \
  X(2, realloc, 'a')       \
  X(3, posix_memalign, 'a') \
  X(4, aligned_alloc, 'a') \
  X(5, memalign, 'a')      \
  X(6, free, 'f')
#define RUNTIME(X)                         \
  X(7, swift_retain, 'r')                  \
  X(8, swift_retain_n, 'r')                \
  X(9, swift_tryRetain, 'r')               \
  X(10, swift_bridgeObjectRetain, 'r')     \
  X(11, swift_bridgeObjectRetain_n, 'r')   \
  X(12, swift_nonatomic_retain, 'r')       \
  X(13, swift_unownedRetain, 'r')          \
  X(14, swift_unownedRetainStrong, 'r')    \
  X(15, swift_weakLoadStrong, 'r')         \
  X(16, swift_release, 'R')                \
  X(17, swift_release_n, 'R')              \
  X(18, swift_bridgeObjectRelease, 'R')    \
  X(19, swift_bridgeObjectRelease_n, 'R')  \
  X(20, swift_nonatomic_release, 'R')      \
  X(21, swift_unownedRelease, 'R')         \
  X(22, swift_beginAccess, 'x')
#define COUNT 23

struct function {
  const char *name;
  char kind;
};
static const struct function functions[COUNT] = {
#define X(i, name, kind) [i] = {#name, kind},
    ALLOCATOR(X) RUNTIME(X)
#undef X
};

__attribute__((visibility("hidden"))) uint64_t probe_counts[COUNT];
__attribute__((visibility("hidden"))) int32_t probe_is_tracing;

int32_t probe_count(void) { return COUNT; }
const char *probe_name(int32_t index) { return functions[index].name; }
char probe_kind(int32_t index) { return functions[index].kind; }
uint64_t probe_calls(int32_t index) {
  return __atomic_load_n(&probe_counts[index], __ATOMIC_RELAXED);
}

// --- Stacks -------------------------------------------------------------------------------------

#define DEPTH 14
#define STACKS 64
struct stack {
  uint64_t calls;
  int32_t index;
  int32_t depth;
  void *frames[DEPTH];
};
static struct stack stacks[STACKS];
static int stack_count;
static __thread int is_noting;

// Follows the frame pointers, which Swift code keeps; C code of others ends the walk.
__attribute__((visibility("hidden"))) void probe_note(int64_t index, void *caller) {
  if (is_noting) return;
  is_noting = 1;
  struct stack found = {.calls = 1, .index = (int32_t)index, .depth = 1, .frames = {caller}};
  uintptr_t *frame = *(uintptr_t **)__builtin_frame_address(0);
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  while (found.depth < DEPTH && (uintptr_t)frame > here && (uintptr_t)frame < here + (1 << 16) &&
         ((uintptr_t)frame & 7) == 0) {
    found.frames[found.depth++] = (void *)frame[1];
    here = (uintptr_t)frame;
    frame = (uintptr_t *)frame[0];
  }
  int at = 0;
  while (at < stack_count &&
         (stacks[at].index != found.index || stacks[at].depth != found.depth ||
          memcmp(stacks[at].frames, found.frames, sizeof(void *) * (size_t)found.depth) != 0)) {
    at += 1;
  }
  if (at < stack_count) {
    stacks[at].calls += 1;
  } else if (stack_count < STACKS) {
    stacks[stack_count++] = found;
  }
  is_noting = 0;
}

void probe_trace(int32_t on) { probe_is_tracing = on; }

static int first_object(struct dl_phdr_info *info, size_t size, void *base) {
  *(uintptr_t *)base = info->dlpi_addr;
  return 1;
}

void probe_print_traces(void) {
  uintptr_t base = 0;
  dl_iterate_phdr(first_object, &base);
  for (int i = 0; i < stack_count; i += 1) {
    printf("stack %llu %s", (unsigned long long)stacks[i].calls, functions[stacks[i].index].name);
    for (int j = 0; j < stacks[i].depth; j += 1) {
      printf(" 0x%lx", (unsigned long)((uintptr_t)stacks[i].frames[j] - base));
    }
    printf("\n");
  }
  fflush(stdout);
}

static inline __attribute__((always_inline)) void count(int index) {
  __atomic_fetch_add(&probe_counts[index], 1, __ATOMIC_RELAXED);
  if (probe_is_tracing) probe_note(index, __builtin_return_address(0));
}

// --- The allocator ------------------------------------------------------------------------------

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
// A sanitizer has an allocator of its own; the tool refuses to count then.
#define IS_SANITIZED 1
#endif
#endif

#ifndef IS_SANITIZED
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

void *malloc(size_t size) {
  count(0);
  return __libc_malloc(size);
}
void *calloc(size_t n, size_t size) {
  count(1);
  return __libc_calloc(n, size);
}
void *realloc(void *old, size_t size) {
  count(2);
  return __libc_realloc(old, size);
}
int posix_memalign(void **result, size_t alignment, size_t size) {
  count(3);
  void *memory = __libc_memalign(alignment, size);
  if (memory == NULL) return ENOMEM;
  *result = memory;
  return 0;
}
void *aligned_alloc(size_t alignment, size_t size) {
  count(4);
  return __libc_memalign(alignment, size);
}
void *memalign(size_t alignment, size_t size) {
  count(5);
  return __libc_memalign(alignment, size);
}
void free(void *memory) {
  if (memory != NULL) count(6);
  __libc_free(memory);
}
#endif

// --- The runtime --------------------------------------------------------------------------------

// Some of these functions have calling conventions of their own, which keep more registers than C's
// does. So each is counted by a few instructions that change none, and jump on.
#define STRING_(x) #x
#define STRING(x) STRING_(x)

#if defined(__x86_64__)
#define THUNK(i, name, kind)                               \
  __asm__(".text\n.globl __wrap_" #name                    \
          "\n.type __wrap_" #name ",@function\n"           \
          "__wrap_" #name ":\n"                            \
          "  lock incq probe_counts+8*" STRING(i) "(%rip)\n" \
          "  cmpl $0, probe_is_tracing(%rip)\n"            \
          "  je 1f\n"                                      \
          "  movq $" STRING(i) ", %r11\n"                  \
          "  call probe_note_all\n"                        \
          "1: jmp __real_" #name "\n");
__asm__(
    ".text\n.type probe_note_all,@function\nprobe_note_all:\n"
    "  pushq %rax\n pushq %rcx\n pushq %rdx\n pushq %rsi\n pushq %rdi\n"
    "  pushq %r8\n pushq %r9\n pushq %r10\n pushq %r11\n subq $8, %rsp\n"
    "  movq %r11, %rdi\n movq 88(%rsp), %rsi\n  call probe_note\n"
    "  addq $8, %rsp\n popq %r11\n popq %r10\n popq %r9\n popq %r8\n"
    "  popq %rdi\n popq %rsi\n popq %rdx\n popq %rcx\n popq %rax\n  ret\n");
#elif defined(__aarch64__)
// x16 and x17 belong to whatever stands between a call and its function.
#define THUNK(i, name, kind)                                  \
  __asm__(".text\n.globl __wrap_" #name                       \
          "\n.type __wrap_" #name ",%function\n"              \
          "__wrap_" #name ":\n"                               \
          "  adrp x16, probe_counts+8*" STRING(i) "\n"        \
          "  add x16, x16, :lo12:probe_counts+8*" STRING(i) "\n" \
          "  str x15, [sp, #-16]!\n"                          \
          "1: ldxr x17, [x16]\n  add x17, x17, #1\n"          \
          "  stxr w15, x17, [x16]\n  cbnz w15, 1b\n"          \
          "  ldr x15, [sp], #16\n"                            \
          "  b __real_" #name "\n");
#else
#error "counting calls is written for x86-64 and arm64"
#endif

RUNTIME(THUNK)
