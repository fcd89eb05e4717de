// AES-256-GCM under a key that is set up once; node:crypto sets up an object per packet.
#include <openssl/evp.h>

#include <cstring>

#include "crc32.h"
#include "module.h"

namespace pilot {
namespace {

constexpr size_t kKey = 32;
constexpr size_t kNonce = 12;
constexpr size_t kTag = 16;
constexpr size_t kChecksum = 4;
constexpr napi_type_tag kType = {0x70696c6f742d6165, 0x61642d6b65792d31};

struct Key {
  EVP_CIPHER_CTX* seal = nullptr;
  EVP_CIPHER_CTX* open = nullptr;
  ~Key() {
    EVP_CIPHER_CTX_free(seal);
    EVP_CIPHER_CTX_free(open);
  }
};

// `out` may be `plain` itself; `length` fits an int.
bool seal(Key* key, const uint8_t* nonce, const Bytes& aad, const uint8_t* plain, size_t length, uint8_t* out) {
  int written = 0;
  return EVP_EncryptInit_ex(key->seal, nullptr, nullptr, nullptr, nonce) == 1 &&
         (aad.length == 0 || EVP_EncryptUpdate(key->seal, nullptr, &written, aad.data, static_cast<int>(aad.length)) == 1) &&
         (length == 0 || EVP_EncryptUpdate(key->seal, out, &written, plain, static_cast<int>(length)) == 1) &&
         EVP_EncryptFinal_ex(key->seal, out + length, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(key->seal, EVP_CTRL_GCM_GET_TAG, kTag, out + length) == 1;
}

// `sealed` is followed by its tag, `out` may be `sealed` itself; zeros where it does not authenticate.
bool open(Key* key, const uint8_t* nonce, const Bytes& aad, const uint8_t* sealed, size_t length, uint8_t* out) {
  int written = 0;
  uint8_t tag[kTag], none[kTag];
  std::memcpy(tag, sealed + length, kTag);
  const bool opened =
      EVP_DecryptInit_ex(key->open, nullptr, nullptr, nullptr, nonce) == 1 &&
      EVP_CIPHER_CTX_ctrl(key->open, EVP_CTRL_GCM_SET_TAG, kTag, tag) == 1 &&
      (aad.length == 0 || EVP_DecryptUpdate(key->open, nullptr, &written, aad.data, static_cast<int>(aad.length)) == 1) &&
      (length == 0 || EVP_DecryptUpdate(key->open, out, &written, sealed, static_cast<int>(length)) == 1) &&
      EVP_DecryptFinal_ex(key->open, none, &written) == 1;
  if (!opened && length > 0) std::memset(out, 0, length);
  return opened;
}

bool keyOf(napi_env env, napi_value value, Key** out) {
  bool isKey = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(env, value, &kType, &isKey) == napi_ok && isKey &&
      napi_get_value_external(env, value, &data) == napi_ok) {
    *out = static_cast<Key*>(data);
    return true;
  }
  napi_throw_type_error(env, nullptr, "Expected a key");
  return false;
}

// aeadKey(key: Uint8Array[32]): key
napi_value AeadKey(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  Bytes raw;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  if (count < 1) return fail(env, "ERR_MISSING_ARGS", "Expected a key");
  if (!bytesOf(env, argument, &raw)) return nullptr;
  if (raw.length != kKey) return fail(env, "ERR_OUT_OF_RANGE", "AES-256 keys have 32 bytes");
  auto* key = new Key();
  key->seal = EVP_CIPHER_CTX_new();
  key->open = EVP_CIPHER_CTX_new();
  if (key->seal == nullptr || key->open == nullptr ||
      EVP_EncryptInit_ex(key->seal, EVP_aes_256_gcm(), nullptr, raw.data, nullptr) != 1 ||
      EVP_DecryptInit_ex(key->open, EVP_aes_256_gcm(), nullptr, raw.data, nullptr) != 1) {
    delete key;
    return fail(env, "ERR_CRYPTO", "AES-256-GCM is not to be had");
  }
  napi_value external;
  if (napi_create_external(
          env, key, [](napi_env, void* data, void*) { delete static_cast<Key*>(data); }, nullptr, &external) != napi_ok) {
    delete key;
    return fail(env, "ERR_CRYPTO", "No room for a key");
  }
  napi_type_tag_object(env, external, &kType);
  return external;
}

// aeadSeal(key, nonce, aad, plaintext, out, at). Ciphertext and tag go to out[at…]; in place is allowed.
napi_value AeadSeal(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  size_t count = 6;
  Key* key;
  Bytes nonce, aad, plain, out;
  double at;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 6) return fail(env, "ERR_MISSING_ARGS", "Expected 6 arguments");
  if (!keyOf(env, argv[0], &key) || !bytesOf(env, argv[1], &nonce) || !bytesOf(env, argv[2], &aad) ||
      !bytesOf(env, argv[3], &plain) || !bytesOf(env, argv[4], &out) || !numberOf(env, argv[5], &at))
    return nullptr;
  if (nonce.length != kNonce || plain.length > INT32_MAX || aad.length > INT32_MAX || !(at >= 0) ||
      at > static_cast<double>(out.length) || out.length - static_cast<size_t>(at) < plain.length + kTag)
    return fail(env, "ERR_OUT_OF_RANGE", "The nonce is not 12 bytes, or the output has no room");
  if (!seal(key, nonce.data, aad, plain.data, plain.length, out.data + static_cast<size_t>(at)))
    return fail(env, "ERR_CRYPTO", "Sealing failed");
  return nullptr;
}

// aeadOpen(key, nonce, aad, sealed, out): boolean. False when it does not authenticate; then `out` is all zero.
napi_value AeadOpen(napi_env env, napi_callback_info info) {
  napi_value argv[5], result;
  size_t count = 5;
  Key* key;
  Bytes nonce, aad, sealed, out;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 5) return fail(env, "ERR_MISSING_ARGS", "Expected 5 arguments");
  if (!keyOf(env, argv[0], &key) || !bytesOf(env, argv[1], &nonce) || !bytesOf(env, argv[2], &aad) ||
      !bytesOf(env, argv[3], &sealed) || !bytesOf(env, argv[4], &out))
    return nullptr;
  if (nonce.length != kNonce || sealed.length < kTag || sealed.length > INT32_MAX || aad.length > INT32_MAX ||
      out.length < sealed.length - kTag)
    return fail(env, "ERR_OUT_OF_RANGE", "The nonce is not 12 bytes, or a length does not fit");
  const bool opened = open(key, nonce.data, aad, sealed.data, sealed.length - kTag, out.data);
  napi_get_boolean(env, opened, &result);
  return result;
}

// Frames of `segment` bytes one after another, the last of them maybe shorter. Each is `head` bytes in clear that end
// with the nonce, the ciphertext, and the tag. With `checksumAt` >= 0 the plaintext holds its CRC-32 there.
struct Train {
  Bytes bytes;
  size_t segment;
  size_t head;
  size_t checksumAt;
  bool hasChecksum;
};

bool trainOf(napi_env env, napi_value bytes, const napi_value* numbers, Train* out) {
  double segment, head, checksumAt;
  if (!bytesOf(env, bytes, &out->bytes) || !numberOf(env, numbers[0], &segment) || !numberOf(env, numbers[1], &head) ||
      !numberOf(env, numbers[2], &checksumAt))
    return false;
  if (segment >= 1 && segment <= INT32_MAX && head >= kNonce && head <= INT32_MAX && checksumAt <= INT32_MAX) {
    out->segment = static_cast<size_t>(segment);
    out->head = static_cast<size_t>(head);
    out->hasChecksum = checksumAt >= 0;
    out->checksumAt = out->hasChecksum ? static_cast<size_t>(checksumAt) : 0;
    const size_t around = out->head + kTag + (out->hasChecksum ? out->checksumAt + kChecksum : 0);
    const size_t rest = out->bytes.length % out->segment;
    if (out->bytes.length > 0 && (out->bytes.length < out->segment || out->segment >= around) &&
        (rest == 0 || rest >= around))
      return true;
  }
  fail(env, "ERR_OUT_OF_RANGE", "The frames of the train are too short");
  return false;
}

void be32(uint8_t* to, uint32_t value) {
  to[0] = static_cast<uint8_t>(value >> 24);
  to[1] = static_cast<uint8_t>(value >> 16);
  to[2] = static_cast<uint8_t>(value >> 8);
  to[3] = static_cast<uint8_t>(value);
}

uint32_t checksumOf(const Train& train, const uint8_t* plain, size_t length) {
  static const uint8_t zeros[kChecksum] = {};
  const size_t after = train.checksumAt + kChecksum;
  return crc32(crc32(crc32(0, plain, train.checksumAt), zeros, kChecksum), plain + after, length - after);
}

// aeadSealTrain(key, aad, train, segment, head, checksumAt), in place.
napi_value AeadSealTrain(napi_env env, napi_callback_info info) {
  napi_value argv[6];
  size_t count = 6;
  Key* key;
  Bytes aad;
  Train train;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 6) return fail(env, "ERR_MISSING_ARGS", "Expected 6 arguments");
  if (!keyOf(env, argv[0], &key) || !bytesOf(env, argv[1], &aad) || !trainOf(env, argv[2], argv + 3, &train))
    return nullptr;
  if (aad.length > INT32_MAX) return fail(env, "ERR_OUT_OF_RANGE", "Too much associated data");
  for (size_t at = 0; at < train.bytes.length; at += train.segment) {
    const size_t left = train.bytes.length - at;
    const size_t length = (left < train.segment ? left : train.segment) - train.head - kTag;
    uint8_t* plain = train.bytes.data + at + train.head;
    if (train.hasChecksum) be32(plain + train.checksumAt, checksumOf(train, plain, length));
    if (!seal(key, plain - kNonce, aad, plain, length, plain)) return fail(env, "ERR_CRYPTO", "Sealing failed");
  }
  return nullptr;
}

// aeadOpenTrain(key, aad, train, segment, head, checksumAt, out, verdicts): frames that opened. Plaintexts go to the
// places of their ciphertexts in `out`, which may be the train itself. A verdict is 0: not authentic, 1: opened,
// 2: opened, and the checksum is not that of the whole plaintext.
napi_value AeadOpenTrain(napi_env env, napi_callback_info info) {
  napi_value argv[8], result;
  size_t count = 8;
  Key* key;
  Bytes aad, out, verdicts;
  Train train;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 8) return fail(env, "ERR_MISSING_ARGS", "Expected 8 arguments");
  if (!keyOf(env, argv[0], &key) || !bytesOf(env, argv[1], &aad) || !trainOf(env, argv[2], argv + 3, &train) ||
      !bytesOf(env, argv[6], &out) || !bytesOf(env, argv[7], &verdicts))
    return nullptr;
  const size_t frames = (train.bytes.length + train.segment - 1) / train.segment;
  if (aad.length > INT32_MAX || out.length < train.bytes.length || verdicts.length < frames)
    return fail(env, "ERR_OUT_OF_RANGE", "The output has no room");
  uint32_t opened = 0;
  for (size_t frame = 0; frame < frames; frame++) {
    const size_t at = frame * train.segment, left = train.bytes.length - at;
    const size_t length = (left < train.segment ? left : train.segment) - train.head - kTag;
    const uint8_t* sealed = train.bytes.data + at + train.head;
    uint8_t* plain = out.data + at + train.head;
    uint8_t verdict = 0;
    if (open(key, sealed - kNonce, aad, sealed, length, plain)) {
      const uint8_t* sum = plain + train.checksumAt;
      const bool matches = !train.hasChecksum ||
                           checksumOf(train, plain, length) == (static_cast<uint32_t>(sum[0]) << 24 | sum[1] << 16 | sum[2] << 8 | sum[3]);
      verdict = matches ? 1 : 2;
      opened++;
    }
    verdicts.data[frame] = verdict;
  }
  napi_create_uint32(env, opened, &result);
  return result;
}

}  // namespace

void addAead(napi_env env, napi_value exports) {
  method(env, exports, "aeadKey", AeadKey);
  method(env, exports, "aeadSeal", AeadSeal);
  method(env, exports, "aeadOpen", AeadOpen);
  method(env, exports, "aeadSealTrain", AeadSealTrain);
  method(env, exports, "aeadOpenTrain", AeadOpenTrain);
}

}  // namespace pilot
