#include "crc32.h"


#include "module.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#define PILOT_CLMUL 1
#endif

namespace pilot {
namespace {

struct Tables {
  uint32_t at[8][256];
  constexpr Tables() : at() {
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; bit++) c = (c & 1) != 0 ? 0xedb88320u ^ (c >> 1) : c >> 1;
      at[0][i] = c;
    }
    for (int t = 1; t < 8; t++)
      for (uint32_t i = 0; i < 256; i++) at[t][i] = (at[t - 1][i] >> 8) ^ at[0][at[t - 1][i] & 0xff];
  }
};
constexpr Tables kTables;

uint32_t le32(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 |
         static_cast<uint32_t>(p[3]) << 24;
}

// Eight bytes a step; works on the inverted state.
uint32_t sliced(uint32_t c, const uint8_t* p, size_t n) {
  const auto& t = kTables.at;
  for (; n >= 8; p += 8, n -= 8) {
    const uint32_t one = c ^ le32(p), two = le32(p + 4);
    c = t[7][one & 0xff] ^ t[6][(one >> 8) & 0xff] ^ t[5][(one >> 16) & 0xff] ^ t[4][one >> 24] ^ t[3][two & 0xff] ^
        t[2][(two >> 8) & 0xff] ^ t[1][(two >> 16) & 0xff] ^ t[0][two >> 24];
  }
  for (; n > 0; p++, n--) c = t[0][(c ^ *p) & 0xff] ^ (c >> 8);
  return c;
}

#ifdef PILOT_CLMUL
#define PILOT_TARGET __attribute__((target("pclmul,sse4.1")))

PILOT_TARGET inline __m128i fold(__m128i state, __m128i keys, __m128i next) {
  return _mm_xor_si128(
      _mm_xor_si128(_mm_clmulepi64_si128(state, keys, 0x00), _mm_clmulepi64_si128(state, keys, 0x11)), next);
}

PILOT_TARGET inline __m128i load(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

// Folding by carry-less multiplication (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ").
// `n` is a multiple of 16 and at least 64.
PILOT_TARGET uint32_t folded(uint32_t c, const uint8_t* p, size_t n) {
  const __m128i by64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
  const __m128i by16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  const __m128i by8 = _mm_set_epi64x(0, 0x0163cd6124);
  const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
  const __m128i low = _mm_setr_epi32(-1, 0, -1, 0);
  __m128i a = _mm_xor_si128(load(p), _mm_cvtsi32_si128(static_cast<int>(c)));
  __m128i b = load(p + 16), d = load(p + 32), e = load(p + 48);
  for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
    a = fold(a, by64, load(p));
    b = fold(b, by64, load(p + 16));
    d = fold(d, by64, load(p + 32));
    e = fold(e, by64, load(p + 48));
  }
  a = fold(fold(fold(a, by16, b), by16, d), by16, e);
  for (; n >= 16; p += 16, n -= 16) a = fold(a, by16, load(p));
  a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by16, 0x10));
  a = _mm_xor_si128(_mm_srli_si128(a, 4), _mm_clmulepi64_si128(_mm_and_si128(a, low), by8, 0x00));
  __m128i r = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low), barrett, 0x10), low);
  r = _mm_xor_si128(a, _mm_clmulepi64_si128(r, barrett, 0x00));
  return static_cast<uint32_t>(_mm_extract_epi32(r, 1));
}

bool canFold() {
  static const bool can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  return can;
}
#endif

// crc32(bytes): number
napi_value Crc32(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  size_t count = 1;
  Bytes bytes;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  if (count < 1) return fail(env, "ERR_MISSING_ARGS", "Expected bytes");
  if (!bytesOf(env, argument, &bytes)) return nullptr;
  napi_create_uint32(env, crc32(0, bytes.data, bytes.length), &result);
  return result;
}

}  // namespace

uint32_t crc32(uint32_t crc, const uint8_t* data, size_t length) {
  uint32_t c = ~crc;
#ifdef PILOT_CLMUL
  if (length >= 64 && canFold()) {
    const size_t whole = length & ~static_cast<size_t>(15);
    c = folded(c, data, whole);
    data += whole;
    length -= whole;
  }
#endif
  return ~sliced(c, data, length);
}

void addCrc32(napi_env env, napi_value exports) { method(env, exports, "crc32", Crc32); }

}  // namespace pilot
