// Shared by the parts of the accelerator: arguments checked before anything touches memory.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace pilot {

struct Bytes {
  uint8_t* data;
  size_t length;
};

// Throws a TypeError in JavaScript and returns false when the value is no Uint8Array.
bool bytesOf(napi_env env, napi_value value, Bytes* out);
bool numberOf(napi_env env, napi_value value, double* out);
bool textOf(napi_env env, napi_value value, std::string* out);
napi_value fail(napi_env env, const char* code, const char* message);
void method(napi_env env, napi_value exports, const char* name, napi_callback callback);

void addCrc32(napi_env env, napi_value exports);
void addAead(napi_env env, napi_value exports);
void addOptions(napi_env env, napi_value exports);
void addUdp(napi_env env, napi_value exports);

}  // namespace pilot
