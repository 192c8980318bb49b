#define _GNU_SOURCE
#include "CKernel.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "result.h"

extern char **environ;

static int attach(posix_spawn_file_actions_t *actions, int fd, int number, int flags) {
  if (fd == CK_FD_INHERIT) return 0;
  if (fd == CK_FD_NULL)
    return posix_spawn_file_actions_addopen(actions, number, "/dev/null", flags, 0);
  return posix_spawn_file_actions_adddup2(actions, fd, number);
}

long ck_spawn(
  const char *path, char *const *arguments, char *const *environment, int input, int output,
  int error) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return -(long)code;
  code = posix_spawnattr_init(&attributes);
  if (code != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return -(long)code;
  }
  // A parent that reads its signals from a descriptor blocks them and ignores SIGPIPE; a child must
  // not inherit either.
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  code = attach(&actions, input, 0, O_RDONLY);
  if (code == 0) code = attach(&actions, output, 1, O_WRONLY);
  if (code == 0) code = attach(&actions, error, 2, O_WRONLY);
  pid_t process = 0;
  if (code == 0)
    code = posix_spawnp(
      &process, path, &actions, &attributes, arguments, environment ? environment : environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code != 0 ? -(long)code : process;
}

long ck_wait_process(int process, int wait, int *kind, int *code) {
  int status = 0;
  long found = CK_RESULT(waitpid(process, &status, wait ? 0 : WNOHANG));
  if (found <= 0) return found;
  *kind = WIFSIGNALED(status) ? 1 : 0;
  *code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  return found;
}

long ck_pidfd(int process) { return CK_RESULT(syscall(SYS_pidfd_open, process, 0)); }
void ck_exit_now(int32_t code) { _exit(code); }

int32_t ck_process_id(void) { return getpid(); }
uint32_t ck_user_id(void) { return geteuid(); }
const char *ck_environment(const char *name) { return getenv(name); }
const char *ck_working_directory(char *buffer, size_t size) { return getcwd(buffer, size); }
long ck_set_environment(const char *name, const char *value) {
  return CK_RESULT(value ? setenv(name, value, 1) : unsetenv(name));
}

long ck_cpus_online(void) { return sysconf(_SC_NPROCESSORS_ONLN); }

long ck_cpus_usable(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) < 0) return ck_cpus_online();
  return CPU_COUNT(&set);
}

long ck_descriptor_limit(uint64_t *soft, uint64_t *hard) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  *soft = limit.rlim_cur;
  *hard = limit.rlim_max;
  return 0;
}

long ck_set_descriptor_limit(uint64_t soft) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  limit.rlim_cur = soft;
  return CK_RESULT(setrlimit(RLIMIT_NOFILE, &limit));
}

long ck_random(void *bytes, size_t count) { return CK_RESULT(getrandom(bytes, count, 0)); }

static uint64_t nanoseconds(struct timeval time) {
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

long ck_usage(uint64_t *user_ns, uint64_t *system_ns, int64_t *voluntary, int64_t *involuntary) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) < 0) return -errno;
  *user_ns = nanoseconds(usage.ru_utime);
  *system_ns = nanoseconds(usage.ru_stime);
  *voluntary = usage.ru_nvcsw;
  *involuntary = usage.ru_nivcsw;
  return 0;
}

int ck_is_terminal(int fd) { return isatty(fd); }

long ck_terminal_size(int fd, int *columns, int *rows) {
  struct winsize size = {0};
  if (ioctl(fd, TIOCGWINSZ, &size) < 0) return -errno;
  *columns = size.ws_col;
  *rows = size.ws_row;
  return 0;
}

long ck_terminal_resize(int fd, int columns, int rows) {
  struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
  return CK_RESULT(ioctl(fd, TIOCSWINSZ, &size));
}

long ck_pseudo_terminal(struct ck_ends *ends, int columns, int rows) {
  int screen = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (screen < 0) return -errno;
  char name[64];
  int terminal = -1;
  if (grantpt(screen) == 0 && unlockpt(screen) == 0 && ptsname_r(screen, name, sizeof name) == 0)
    terminal = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  long failure = terminal < 0 ? -(long)errno : ck_terminal_resize(screen, columns, rows);
  if (failure < 0) {
    if (terminal >= 0) close(terminal);
    close(screen);
    return failure;
  }
  *ends = (struct ck_ends){screen, terminal};
  return 0;
}

_Static_assert(sizeof(struct termios) <= CK_TERMINAL_STATE_SIZE, "room for the saved state");

long ck_terminal_raw(int fd, void *saved, int signals) {
  struct termios state;
  if (tcgetattr(fd, &state) < 0) return -errno;
  memcpy(saved, &state, sizeof state);
  state.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | (signals ? 0 : ISIG));
  state.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INPCK | ISTRIP);
  state.c_cc[VMIN] = 0;
  state.c_cc[VTIME] = 0;
  return CK_RESULT(tcsetattr(fd, TCSAFLUSH, &state));
}

long ck_terminal_restore(int fd, const void *saved) {
  struct termios state;
  memcpy(&state, saved, sizeof state);
  return CK_RESULT(tcsetattr(fd, TCSAFLUSH, &state));
}
