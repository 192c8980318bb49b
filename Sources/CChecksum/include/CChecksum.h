// CRC32C (Castagnoli) of a run of bytes: reflected polynomial 0x82F63B78, initial value and final
// exclusive-or 0xFFFFFFFF. CRC32C("123456789") is 0xE3069283.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Swift's check that a function neither allocates nor locks cannot look into C; these hold it.
#if defined(__has_attribute) && __has_attribute(swift_attr)
#define CCHECKSUM_NO_LOCKS __attribute__((swift_attr("@_noLocks")))
#else
#define CCHECKSUM_NO_LOCKS
#endif

// The checksum of `count` bytes, with the processor's instruction where there is one.
CCHECKSUM_NO_LOCKS
uint32_t cchecksum_crc32c(const void *bytes, size_t count);

// The same from tables alone, for tests and for processors without the instruction.
CCHECKSUM_NO_LOCKS
uint32_t cchecksum_crc32c_portable(const void *bytes, size_t count);

// The same without folding, for tests.
CCHECKSUM_NO_LOCKS
uint32_t cchecksum_crc32c_instruction(const void *bytes, size_t count);

// What cchecksum_crc32c uses. 0: tables alone. 1: the processor's instruction. 2: that, and folding
// for what is long enough.
CCHECKSUM_NO_LOCKS
int cchecksum_hardware(void);
