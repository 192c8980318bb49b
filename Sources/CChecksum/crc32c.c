// CRC32C four ways: folding with AVX-512's carry-less multiplication, the instruction of SSE4.2,
// that of ARMv8, and eight tables. The choice is made once, before main.
//
// The processor's instruction takes three cycles and a new one can start in each, so a long input
// is cut in three lanes that run side by side. Joining them shifts a lane's checksum over the
// zeros that stand for the lane after it; a shift by a fixed number of bytes is linear, so it is
// four table look-ups.

#include "CChecksum.h"

#include <string.h>

#define POLYNOMIAL 0x82F63B78u

// Two sizes of lane: long ones for pages and large batches, short ones for ordinary batches.
#define LONG_LANE 4096u
#define SHORT_LANE 256u

static uint32_t slices[8][256];
static uint32_t long_shift[4][256];
static uint32_t short_shift[4][256];
// 0: tables. 1: the instruction. 2: the instruction, and folding for what is long enough.
static int hardware;

// MARK: - Tables

static uint32_t times(const uint32_t *matrix, uint32_t vector) {
  uint32_t sum = 0;
  for (int bit = 0; vector != 0; bit += 1, vector >>= 1) {
    if (vector & 1) sum ^= matrix[bit];
  }
  return sum;
}

static void square(uint32_t *out, const uint32_t *matrix) {
  for (int bit = 0; bit < 32; bit += 1) out[bit] = times(matrix, matrix[bit]);
}

// The effect on a checksum of `bytes` zero bytes; `bytes` is a power of two.
static void make_shift(uint32_t table[4][256], uint32_t bytes) {
  uint32_t odd[32], even[32];
  odd[0] = POLYNOMIAL;  // One zero bit.
  for (int bit = 1; bit < 32; bit += 1) odd[bit] = 1u << (bit - 1);
  uint32_t *from = odd, *to = even;
  for (uint32_t bits = 1; bits < bytes * 8; bits *= 2) {
    square(to, from);
    uint32_t *swap = from;
    from = to;
    to = swap;
  }
  for (uint32_t byte = 0; byte < 256; byte += 1) {
    for (int place = 0; place < 4; place += 1) {
      table[place][byte] = times(from, byte << (8 * place));
    }
  }
}

static void make_slices(void) {
  for (uint32_t byte = 0; byte < 256; byte += 1) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit += 1) crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    slices[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte += 1) {
    for (int slice = 1; slice < 8; slice += 1) {
      uint32_t before = slices[slice - 1][byte];
      slices[slice][byte] = (before >> 8) ^ slices[0][before & 0xFF];
    }
  }
}

static inline uint32_t shifted(uint32_t table[4][256], uint32_t crc) {
  return table[0][crc & 0xFF] ^ table[1][(crc >> 8) & 0xFF] ^ table[2][(crc >> 16) & 0xFF] ^
         table[3][crc >> 24];
}

static inline uint64_t load64(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

// MARK: - Tables alone

uint32_t cchecksum_crc32c_portable(const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  uint32_t crc = 0xFFFFFFFFu;
  for (; count >= 8; count -= 8, at += 8) {
    // Bytes one by one, so that the machine's byte order does not matter.
    uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                          (uint32_t)at[3] << 24);
    crc = slices[7][low & 0xFF] ^ slices[6][(low >> 8) & 0xFF] ^ slices[5][(low >> 16) & 0xFF] ^
          slices[4][low >> 24] ^ slices[3][at[4]] ^ slices[2][at[5]] ^ slices[1][at[6]] ^
          slices[0][at[7]];
  }
  for (; count > 0; count -= 1, at += 1) crc = (crc >> 8) ^ slices[0][(crc ^ *at) & 0xFF];
  return crc ^ 0xFFFFFFFFu;
}

// MARK: - The processor's instruction

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#define HARDWARE_TARGET __attribute__((target("sse4.2")))
#define STEP64(crc, word) ((uint32_t)_mm_crc32_u64((crc), (word)))
#define STEP32(crc, word) _mm_crc32_u32((crc), (word))
#define STEP8(crc, byte) _mm_crc32_u8((crc), (byte))
static int detect(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) != 0;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HARDWARE_TARGET __attribute__((target("crc")))
#define STEP64(crc, word) __crc32cd((crc), (word))
#define STEP32(crc, word) __crc32cw((crc), (word))
#define STEP8(crc, byte) __crc32cb((crc), (byte))
static int detect(void) { return (getauxval(AT_HWCAP) & (1ul << 7)) != 0; }  // HWCAP_CRC32
#endif

#ifdef HARDWARE_TARGET

#define THREE_LANES(LANE, TABLE)                                   \
  for (; count >= 3 * LANE; count -= 3 * LANE, at += 3 * LANE) {   \
    uint32_t second = 0, third = 0;                                \
    for (size_t i = 0; i < LANE; i += 8) {                         \
      crc = STEP64(crc, load64(at + i));                           \
      second = STEP64(second, load64(at + LANE + i));              \
      third = STEP64(third, load64(at + 2 * LANE + i));            \
    }                                                              \
    crc = shifted(TABLE, crc) ^ second;                            \
    crc = shifted(TABLE, crc) ^ third;                             \
  }

// One lane, to the end.
HARDWARE_TARGET
static inline uint32_t finish_lane(uint32_t crc, const unsigned char *at, size_t count) {
  for (; count >= 8; count -= 8, at += 8) crc = STEP64(crc, load64(at));
  if (count >= 4) {
    uint32_t word;
    memcpy(&word, at, 4);
    crc = STEP32(crc, word);
    at += 4;
    count -= 4;
  }
  for (; count > 0; count -= 1, at += 1) crc = STEP8(crc, *at);
  return crc ^ 0xFFFFFFFFu;
}

HARDWARE_TARGET
static uint32_t crc32c_hardware(const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  uint32_t crc = 0xFFFFFFFFu;
  THREE_LANES(LONG_LANE, long_shift)
  THREE_LANES(SHORT_LANE, short_shift)
  return finish_lane(crc, at, count);
}

#else
static int detect(void) { return 0; }
static uint32_t crc32c_hardware(const void *bytes, size_t count) {
  return cchecksum_crc32c_portable(bytes, count);
}
#endif

// MARK: - Folding

#if defined(__x86_64__)
#include <immintrin.h>
#define FOLD_TARGET __attribute__((target("avx512f,avx512vl,avx512dq,vpclmulqdq,pclmul,sse4.2")))
// Below this the instruction alone is as fast: joining the lanes has its price.
#define FOLD_FROM 128u

// A fold moves 128 bits of the message a distance further on without changing the checksum: two
// carry-less products with x^(distance + 32) and x^(distance - 32) modulo the polynomial, bits
// reflected and moved up by one. The names say the distance in bits.
static const uint64_t fold_2048[2] = {0xdcb17aa4, 0xb9e02b86};
static const uint64_t fold_512[2] = {0x740eef02, 0x9e4addf8};
static const uint64_t fold_384[2] = {0x1c291d04, 0x1d82c63da};
static const uint64_t fold_256[2] = {0x1384aa63a, 0xba4fc28e};
static const uint64_t fold_128[2] = {0xf20c0dfe, 0x14cd00bd6};

static int detect_folding(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

FOLD_TARGET
static inline __m512i fold(__m512i lanes, __m512i by, __m512i next) {
  __m512i low = _mm512_clmulepi64_epi128(lanes, by, 0x00);
  __m512i high = _mm512_clmulepi64_epi128(lanes, by, 0x11);
  return _mm512_ternarylogic_epi64(low, high, next, 0x96);  // The exclusive or of all three.
}

FOLD_TARGET
static inline __m128i fold_lane(__m128i lane, const uint64_t by[2], __m128i next) {
  __m128i constants = _mm_loadu_si128((const __m128i *)by);
  __m128i low = _mm_clmulepi64_si128(lane, constants, 0x00);
  __m128i high = _mm_clmulepi64_si128(lane, constants, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

FOLD_TARGET
static inline __m512i constants_of(const uint64_t by[2]) {
  return _mm512_broadcast_i64x2(_mm_loadu_si128((const __m128i *)by));
}

// `count` is at least FOLD_FROM.
FOLD_TARGET
static uint32_t crc32c_folding(const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  // The initial value is an exclusive or with the first four bytes.
  __m512i a = _mm512_xor_si512(
      _mm512_loadu_si512(at), _mm512_zextsi128_si512(_mm_cvtsi32_si128(-1)));
  __m512i by = constants_of(fold_512);
  if (count >= 256) {
    __m512i b = _mm512_loadu_si512(at + 64);
    __m512i c = _mm512_loadu_si512(at + 128);
    __m512i d = _mm512_loadu_si512(at + 192);
    at += 256;
    count -= 256;
    __m512i far = constants_of(fold_2048);
    for (; count >= 256; count -= 256, at += 256) {
      a = fold(a, far, _mm512_loadu_si512(at));
      b = fold(b, far, _mm512_loadu_si512(at + 64));
      c = fold(c, far, _mm512_loadu_si512(at + 128));
      d = fold(d, far, _mm512_loadu_si512(at + 192));
    }
    a = fold(fold(fold(a, by, b), by, c), by, d);
  } else {
    at += 64;
    count -= 64;
  }
  for (; count >= 64; count -= 64, at += 64) a = fold(a, by, _mm512_loadu_si512(at));

  __m128i lane = _mm512_extracti64x2_epi64(a, 3);
  lane = fold_lane(_mm512_extracti64x2_epi64(a, 2), fold_128, lane);
  lane = fold_lane(_mm512_extracti64x2_epi64(a, 1), fold_256, lane);
  lane = fold_lane(_mm512_castsi512_si128(a), fold_384, lane);
  // What is left is a message of 16 bytes with the same checksum, and the rest behind it.
  uint32_t crc = STEP64(0, (uint64_t)_mm_extract_epi64(lane, 0));
  crc = STEP64(crc, (uint64_t)_mm_extract_epi64(lane, 1));
  return finish_lane(crc, at, count);
}

#else
#define FOLD_FROM SIZE_MAX
static int detect_folding(void) { return 0; }
static uint32_t crc32c_folding(const void *bytes, size_t count) {
  return crc32c_hardware(bytes, count);
}
#endif

// MARK: - The choice

__attribute__((constructor)) static void prepare(void) {
  make_slices();
  make_shift(long_shift, LONG_LANE);
  make_shift(short_shift, SHORT_LANE);
  hardware = detect();
  if (hardware && detect_folding()) hardware = 2;
}

uint32_t cchecksum_crc32c(const void *bytes, size_t count) {
  if (hardware == 2 && count >= FOLD_FROM) return crc32c_folding(bytes, count);
  return hardware ? crc32c_hardware(bytes, count) : cchecksum_crc32c_portable(bytes, count);
}

uint32_t cchecksum_crc32c_instruction(const void *bytes, size_t count) {
  return hardware ? crc32c_hardware(bytes, count) : cchecksum_crc32c_portable(bytes, count);
}

int cchecksum_hardware(void) { return hardware; }
