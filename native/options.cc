// Socket options by number, for sockets that Node opened.
#include "module.h"

#ifndef _WIN32
#include <sys/socket.h>

#include <cerrno>

namespace pilot {
namespace {

// setOption(fd, level, name, value): 0, or a negative errno
napi_value SetOption(napi_env env, napi_callback_info info) {
  napi_value argv[4], result;
  size_t count = 4;
  int32_t numbers[4];
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 4) return fail(env, "ERR_MISSING_ARGS", "Expected 4 numbers");
  for (int i = 0; i < 4; i++) {
    if (napi_get_value_int32(env, argv[i], &numbers[i]) != napi_ok) {
      napi_throw_type_error(env, nullptr, "Expected a number");
      return nullptr;
    }
  }
  const int failed = setsockopt(numbers[0], numbers[1], numbers[2], &numbers[3], sizeof numbers[3]);
  napi_create_int32(env, failed == 0 ? 0 : -errno, &result);
  return result;
}

}  // namespace

void addOptions(napi_env env, napi_value exports) { method(env, exports, "setOption", SetOption); }

}  // namespace pilot

#else

namespace pilot {
void addOptions(napi_env, napi_value) {}
}  // namespace pilot

#endif
