// UDP in trains: runs of equal datagrams in one system call each way (UDP_SEGMENT, UDP_GRO). Linux only.
#include "module.h"

#ifdef __linux__
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <memory>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace pilot {
namespace {

constexpr napi_type_tag kType = {0x70696c6f742d7564, 0x702d736f636b6574};
constexpr size_t kLargest = 65536;
constexpr unsigned kBatch = 16;
// Batches read before other work of the event loop has its turn.
constexpr int kRounds = 8;
constexpr size_t kMostSegments = 64;

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

// One for all sockets of a thread: it is copied from before anything else can read.
uint8_t* inbox() {
  thread_local std::unique_ptr<uint8_t[]> bytes(new uint8_t[kBatch * kLargest]);
  return bytes.get();
}

struct Socket {
  uv_poll_t poll;
  napi_env env = nullptr;
  napi_ref onEvent = nullptr;
  napi_async_context context = nullptr;
  int fd = -1;
  bool v6 = false;
  bool segments = false;
  bool waitsForRoom = false;
  bool closed = false;
  bool finalized = false;
  bool handleClosed = false;
};

void destroyWhenDone(Socket* socket) {
  if (!socket->finalized || !socket->handleClosed) return;
  delete socket;
}

void emit(Socket* socket, napi_value argument);

void forgetCallback(Socket* socket) {
  if (socket->onEvent != nullptr) napi_delete_reference(socket->env, socket->onEvent);
  if (socket->context != nullptr) napi_async_destroy(socket->env, socket->context);
  socket->onEvent = nullptr;
  socket->context = nullptr;
}

void onClosed(uv_handle_t* handle) {
  auto* socket = static_cast<Socket*>(handle->data);
  ::close(socket->fd);
  socket->handleClosed = true;
  if (socket->onEvent != nullptr) {
    napi_handle_scope scope;
    napi_open_handle_scope(socket->env, &scope);
    napi_value null;
    napi_get_null(socket->env, &null);
    emit(socket, null);
    forgetCallback(socket);
    napi_close_handle_scope(socket->env, scope);
  }
  destroyWhenDone(socket);
}

void onCleanup(void* data);

void close(Socket* socket) {
  if (socket->closed) return;
  socket->closed = true;
  napi_remove_env_cleanup_hook(socket->env, onCleanup, socket);
  uv_poll_stop(&socket->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&socket->poll), onClosed);
}

// The environment ends: nobody can be told any more.
void onCleanup(void* data) {
  auto* socket = static_cast<Socket*>(data);
  forgetCallback(socket);
  close(socket);
}

bool socketOf(napi_env env, napi_value value, Socket** out) {
  bool isSocket = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(env, value, &kType, &isSocket) == napi_ok && isSocket &&
      napi_get_value_external(env, value, &data) == napi_ok) {
    *out = static_cast<Socket*>(data);
    return true;
  }
  napi_throw_type_error(env, nullptr, "Expected a socket");
  return false;
}

bool resolve(const std::string& host, double port, bool v6, Address* out, socklen_t* length) {
  if (!(port >= 0 && port <= 65535)) return false;
  std::memset(out, 0, sizeof *out);
  if (!v6) {
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(static_cast<uint16_t>(port));
    *length = sizeof out->v4;
    return inet_pton(AF_INET, host.c_str(), &out->v4.sin_addr) == 1;
  }
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons(static_cast<uint16_t>(port));
  *length = sizeof out->v6;
  if (inet_pton(AF_INET6, host.c_str(), &out->v6.sin6_addr) == 1) return true;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) != 1) return false;
  out->v6.sin6_addr.s6_addr[10] = out->v6.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(out->v6.sin6_addr.s6_addr + 12, &v4, 4);
  return true;
}

void push(napi_env env, napi_value list, uint32_t* at, napi_value value) {
  napi_set_element(env, list, (*at)++, value);
}

void pushSource(napi_env env, napi_value list, uint32_t* at, const Address& from) {
  char text[INET6_ADDRSTRLEN] = "";
  uint16_t port = 0;
  if (from.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &from.v4.sin_addr, text, sizeof text);
    port = ntohs(from.v4.sin_port);
  } else {
    const auto& bytes = from.v6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&from.v6.sin6_addr)) inet_ntop(AF_INET, bytes + 12, text, sizeof text);
    else inet_ntop(AF_INET6, bytes, text, sizeof text);
    port = ntohs(from.v6.sin6_port);
  }
  napi_value host, number;
  napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &host);
  napi_create_uint32(env, port, &number);
  push(env, list, at, host);
  push(env, list, at, number);
}

size_t segmentOf(const msghdr& header, size_t length) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(&header), c)) {
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(c), sizeof size);
    if (size > 0 && static_cast<size_t>(size) < length) return static_cast<size_t>(size);
  }
  return length;
}

// Appends [bytes, segment, host, port] per train; false when there was nothing to read.
bool readBatch(Socket* socket, napi_value list, uint32_t* at, bool* isFull) {
  napi_env env = socket->env;
  mmsghdr headers[kBatch];
  iovec parts[kBatch];
  Address from[kBatch];
  alignas(cmsghdr) char control[kBatch][CMSG_SPACE(sizeof(int))];
  std::memset(headers, 0, sizeof headers);
  for (unsigned i = 0; i < kBatch; i++) {
    parts[i] = {inbox() + i * kLargest, kLargest};
    auto& header = headers[i].msg_hdr;
    header.msg_name = &from[i];
    header.msg_namelen = sizeof from[i];
    header.msg_iov = &parts[i];
    header.msg_iovlen = 1;
    header.msg_control = control[i];
    header.msg_controllen = sizeof control[i];
  }
  const int count = recvmmsg(socket->fd, headers, kBatch, MSG_DONTWAIT, nullptr);
  if (count <= 0) return false;
  *isFull = count == static_cast<int>(kBatch);
  for (int i = 0; i < count; i++) {
    const size_t length = headers[i].msg_len;
    void* data = nullptr;
    napi_value buffer, bytes, segment;
    if (napi_create_arraybuffer(env, length, &data, &buffer) != napi_ok) return false;
    if (length > 0) std::memcpy(data, inbox() + i * kLargest, length);
    napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &bytes);
    napi_create_uint32(env, static_cast<uint32_t>(segmentOf(headers[i].msg_hdr, length)), &segment);
    push(env, list, at, bytes);
    push(env, list, at, segment);
    pushSource(env, list, at, from[i]);
  }
  return true;
}

void emit(Socket* socket, napi_value argument) {
  napi_value callback, receiver;
  if (napi_get_reference_value(socket->env, socket->onEvent, &callback) != napi_ok) return;
  napi_get_global(socket->env, &receiver);
  if (napi_make_callback(socket->env, socket->context, receiver, callback, 1, &argument, nullptr) == napi_pending_exception) {
    napi_value thrown;
    napi_get_and_clear_last_exception(socket->env, &thrown);
    napi_fatal_exception(socket->env, thrown);
  }
}

void onPoll(uv_poll_t* poll, int, int events);

void watch(Socket* socket) {
  uv_poll_start(&socket->poll, UV_READABLE | (socket->waitsForRoom ? UV_WRITABLE : 0), onPoll);
}

void onPoll(uv_poll_t* poll, int, int events) {
  auto* socket = static_cast<Socket*>(poll->data);
  napi_env env = socket->env;
  if ((events & UV_WRITABLE) != 0 && socket->waitsForRoom) {
    socket->waitsForRoom = false;
    watch(socket);
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_value nothing;
    napi_get_undefined(env, &nothing);
    emit(socket, nothing);
    napi_close_handle_scope(env, scope);
    if (socket->closed) return;
  }
  for (int round = 0; round < kRounds; round++) {
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_value list;
    napi_create_array(env, &list);
    uint32_t at = 0;
    bool isFull = false;
    if (readBatch(socket, list, &at, &isFull)) emit(socket, list);
    napi_close_handle_scope(env, scope);
    if (!isFull || socket->closed) return;
  }
}

// udpOpen(host, port, bufferBytes, onEvent(list | undefined: room again | null: closed)): {socket, port, segments}. Errors carry the errno's name.
napi_value UdpOpen(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  size_t count = 4;
  std::string host;
  double port, bufferBytes;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 4) return fail(env, "ERR_MISSING_ARGS", "Expected 4 arguments");
  napi_valuetype type;
  if (!textOf(env, argv[0], &host) || !numberOf(env, argv[1], &port) || !numberOf(env, argv[2], &bufferBytes))
    return nullptr;
  if (napi_typeof(env, argv[3], &type) != napi_ok || type != napi_function)
    return fail(env, "ERR_INVALID_ARG_TYPE", "Expected a function");
  const bool v6 = host.find(':') != std::string::npos;
  Address address;
  socklen_t length;
  if (!resolve(host, port, v6, &address, &length)) return fail(env, "EINVAL", "Not an address to bind");
  const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(env, uv_err_name(-errno), std::strerror(errno));
  const int on = 1, off = 0;
  if (v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  int size = static_cast<int>(bufferBytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (bind(fd, &address.any, length) != 0 || getsockname(fd, &address.any, &length) != 0) {
    const int error = errno;
    ::close(fd);
    return fail(env, uv_err_name(-error), std::strerror(error));
  }
  int probe = 0;
  socklen_t probeLength = sizeof probe;
  auto* socket = new Socket();
  socket->segments = getsockopt(fd, SOL_UDP, UDP_SEGMENT, &probe, &probeLength) == 0;
  setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
  socket->env = env;
  socket->fd = fd;
  socket->v6 = v6;
  uv_loop_t* loop;
  napi_get_uv_event_loop(env, &loop);
  uv_poll_init(loop, &socket->poll, fd);
  socket->poll.data = socket;
  napi_create_reference(env, argv[3], 1, &socket->onEvent);
  napi_value name, external, result, value;
  napi_create_string_latin1(env, "pilot-udp", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, nullptr, name, &socket->context);
  napi_add_env_cleanup_hook(env, onCleanup, socket);
  napi_create_external(
      env, socket,
      [](napi_env, void* data, void*) {
        auto* finalized = static_cast<Socket*>(data);
        finalized->finalized = true;
        forgetCallback(finalized);
        pilot::close(finalized);
        destroyWhenDone(finalized);
      },
      nullptr, &external);
  napi_type_tag_object(env, external, &kType);
  watch(socket);
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "socket", external);
  napi_create_uint32(env, ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port), &value);
  napi_set_named_property(env, result, "port", value);
  napi_get_boolean(env, socket->segments, &value);
  napi_set_named_property(env, result, "segments", value);
  return result;
}

// udpSend(socket, packets: Uint8Array[], host, port): 0, or a negative errno. More than one packet: all but the last
// have the length of the first, and the last is not longer.
napi_value UdpSend(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  size_t count = 4;
  Socket* socket;
  std::string host;
  double port;
  uint32_t packets = 0;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 4) return fail(env, "ERR_MISSING_ARGS", "Expected 4 arguments");
  if (!socketOf(env, argv[0], &socket) || !textOf(env, argv[2], &host) || !numberOf(env, argv[3], &port)) return nullptr;
  if (napi_get_array_length(env, argv[1], &packets) != napi_ok || packets == 0 || packets > kMostSegments)
    return fail(env, "ERR_OUT_OF_RANGE", "Expected 1 to 64 packets");
  napi_value result;
  Address address;
  socklen_t length;
  if (socket->closed || !resolve(host, port, socket->v6, &address, &length)) {
    napi_create_int32(env, socket->closed ? -EBADF : -EINVAL, &result);
    return result;
  }
  iovec parts[kMostSegments];
  size_t total = 0;
  for (uint32_t i = 0; i < packets; i++) {
    napi_value element;
    Bytes bytes;
    napi_get_element(env, argv[1], i, &element);
    if (!bytesOf(env, element, &bytes)) return nullptr;
    const size_t first = i == 0 ? bytes.length : parts[0].iov_len;
    if (bytes.length > first || (i + 1 < packets && bytes.length != first))
      return fail(env, "ERR_OUT_OF_RANGE", "The packets of a train have one length");
    parts[i] = {bytes.data, bytes.length};
    total += bytes.length;
  }
  msghdr header;
  std::memset(&header, 0, sizeof header);
  header.msg_name = &address;
  header.msg_namelen = length;
  header.msg_iov = parts;
  header.msg_iovlen = packets;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];
  if (packets > 1) {
    if (total > 65507 || parts[0].iov_len == 0) return fail(env, "ERR_OUT_OF_RANGE", "The train is too long");
    std::memset(control, 0, sizeof control);
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto segment = static_cast<uint16_t>(parts[0].iov_len);
    std::memcpy(CMSG_DATA(c), &segment, sizeof segment);
  }
  ssize_t sent;
  do sent = sendmsg(socket->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  const int error = sent < 0 ? errno : 0;
  if (error == EAGAIN && !socket->waitsForRoom) {
    socket->waitsForRoom = true;
    watch(socket);
  }
  napi_create_int32(env, -error, &result);
  return result;
}

napi_value UdpClose(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  Socket* socket;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  if (count == 1 && socketOf(env, argument, &socket)) pilot::close(socket);
  return nullptr;
}

}  // namespace

void addUdp(napi_env env, napi_value exports) {
  method(env, exports, "udpOpen", UdpOpen);
  method(env, exports, "udpSend", UdpSend);
  method(env, exports, "udpClose", UdpClose);
}

}  // namespace pilot

#else

namespace pilot {
void addUdp(napi_env, napi_value) {}
}  // namespace pilot

#endif
