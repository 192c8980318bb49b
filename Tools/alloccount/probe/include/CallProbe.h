// Counts calls of the allocator and of Swift's reference counting, in the whole process.
//
// The allocator is counted by defining it here: that reaches the calls of every library, shared
// ones too. The runtime's functions are counted where this executable calls them; the linker is
// told to send those calls here (`--wrap`), so the standard library must be linked statically for
// its own calls to be seen. `probe_name` lists what is counted, in the order of the numbers.
#ifndef CALL_PROBE_H
#define CALL_PROBE_H

#include <stdint.h>

// How many functions are counted, and which they are.
int32_t probe_count(void);
const char *_Nonnull probe_name(int32_t index);
// 'a' takes memory, 'f' gives memory back, 'r' retains, 'R' releases, 'x' checks an access.
char probe_kind(int32_t index);

// Calls so far.
uint64_t probe_calls(int32_t index);

// From now on the stacks of calls are noted, or no more. For finding out who calls; slow.
void probe_trace(int32_t on);
// Prints the stacks that were noted, as offsets into the executable.
void probe_print_traces(void);

#endif
