// The accelerator: AES-256-GCM with Node's own OpenSSL, and UDP in trains. Optional: every function here has a
// counterpart in JavaScript with the same tests.
#include "module.h"

namespace pilot {

bool bytesOf(napi_env env, napi_value value, Bytes* out) {
  bool isTyped = false;
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_is_typedarray(env, value, &isTyped) == napi_ok && isTyped &&
      napi_get_typedarray_info(env, value, &type, &out->length, &data, nullptr, nullptr) == napi_ok &&
      type == napi_uint8_array) {
    out->data = static_cast<uint8_t*>(data);
    return true;
  }
  napi_throw_type_error(env, nullptr, "Expected a Uint8Array");
  return false;
}

bool numberOf(napi_env env, napi_value value, double* out) {
  if (napi_get_value_double(env, value, out) == napi_ok) return true;
  napi_throw_type_error(env, nullptr, "Expected a number");
  return false;
}

bool textOf(napi_env env, napi_value value, std::string* out) {
  char text[64];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, text, sizeof text, &length) != napi_ok) {
    napi_throw_type_error(env, nullptr, "Expected a string");
    return false;
  }
  out->assign(text, length);
  return true;
}

napi_value fail(napi_env env, const char* code, const char* message) {
  napi_throw_error(env, code, message);
  return nullptr;
}

void method(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace pilot

NAPI_MODULE_INIT() {
  pilot::addCrc32(env, exports);
  pilot::addAead(env, exports);
  pilot::addOptions(env, exports);
  pilot::addUdp(env, exports);
  return exports;
}
