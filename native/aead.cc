// AES-256-GCM under a key that is set up once; node:crypto sets up an object per packet.
#include <openssl/evp.h>

#include "module.h"

namespace pilot {
namespace {

constexpr size_t kKey = 32;
constexpr size_t kNonce = 12;
constexpr size_t kTag = 16;
constexpr napi_type_tag kType = {0x70696c6f742d6165, 0x61642d6b65792d31};

struct Key {
  EVP_CIPHER_CTX* seal = nullptr;
  EVP_CIPHER_CTX* open = nullptr;
  ~Key() {
    EVP_CIPHER_CTX_free(seal);
    EVP_CIPHER_CTX_free(open);
  }
};

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
  napi_create_external(
      env, key, [](napi_env, void* data, void*) { delete static_cast<Key*>(data); }, nullptr, &external);
  napi_type_tag_object(env, external, &kType);
  return external;
}

// aeadSeal(key, nonce, aad, plaintext, out, at): boolean. Ciphertext and tag go to out[at…]; in place is allowed.
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
  uint8_t* to = out.data + static_cast<size_t>(at);
  int written = 0;
  const bool sealed =
      EVP_EncryptInit_ex(key->seal, nullptr, nullptr, nullptr, nonce.data) == 1 &&
      (aad.length == 0 || EVP_EncryptUpdate(key->seal, nullptr, &written, aad.data, static_cast<int>(aad.length)) == 1) &&
      (plain.length == 0 || EVP_EncryptUpdate(key->seal, to, &written, plain.data, static_cast<int>(plain.length)) == 1) &&
      EVP_EncryptFinal_ex(key->seal, to + plain.length, &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(key->seal, EVP_CTRL_GCM_GET_TAG, kTag, to + plain.length) == 1;
  if (!sealed) return fail(env, "ERR_CRYPTO", "Sealing failed");
  return nullptr;
}

// aeadOpen(key, nonce, aad, sealed, out): boolean. False when it does not authenticate; then `out` is all zero.
napi_value AeadOpen(napi_env env, napi_callback_info info) {
  napi_value argv[5];
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
  const size_t length = sealed.length - kTag;
  int written = 0;
  const bool opened =
      EVP_DecryptInit_ex(key->open, nullptr, nullptr, nullptr, nonce.data) == 1 &&
      EVP_CIPHER_CTX_ctrl(key->open, EVP_CTRL_GCM_SET_TAG, kTag, sealed.data + length) == 1 &&
      (aad.length == 0 || EVP_DecryptUpdate(key->open, nullptr, &written, aad.data, static_cast<int>(aad.length)) == 1) &&
      (length == 0 || EVP_DecryptUpdate(key->open, out.data, &written, sealed.data, static_cast<int>(length)) == 1) &&
      EVP_DecryptFinal_ex(key->open, out.data + length, &written) == 1;
  if (!opened)
    for (size_t i = 0; i < length; i++) out.data[i] = 0;
  napi_value result;
  napi_get_boolean(env, opened, &result);
  return result;
}

}  // namespace

void addAead(napi_env env, napi_value exports) {
  method(env, exports, "aeadKey", AeadKey);
  method(env, exports, "aeadSeal", AeadSeal);
  method(env, exports, "aeadOpen", AeadOpen);
}

}  // namespace pilot
