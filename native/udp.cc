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
constexpr size_t kLongestTrain = 65507;

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

// The buffers all sockets of an environment read into; what is handed over is lent until the callback returns.
struct Inbox {
  napi_ref references[kBatch] = {};
  uint8_t* data[kBatch] = {};
};

struct Socket {
  uv_poll_t poll;
  napi_env env = nullptr;
  Inbox* inbox = nullptr;
  napi_ref onEvent = nullptr;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  int fd = -1;
  bool v6 = false;
  bool waitsForRoom = false;
  bool closed = false;
  bool finalized = false;
  bool handleClosed = false;
};

void destroyWhenDone(Socket* socket) {
  if (socket->finalized && socket->handleClosed) delete socket;
}

void forgetCallback(Socket* socket) {
  if (socket->onEvent != nullptr) napi_delete_reference(socket->env, socket->onEvent);
  if (socket->context != nullptr) napi_async_destroy(socket->env, socket->context);
  socket->onEvent = nullptr;
  socket->context = nullptr;
}

void emit(Socket* socket, napi_value argument) {
  napi_value callback, receiver;
  if (socket->onEvent == nullptr || napi_get_reference_value(socket->env, socket->onEvent, &callback) != napi_ok) return;
  napi_get_global(socket->env, &receiver);
  if (napi_make_callback(socket->env, socket->context, receiver, callback, 1, &argument, nullptr) == napi_pending_exception) {
    napi_value thrown;
    napi_get_and_clear_last_exception(socket->env, &thrown);
    napi_fatal_exception(socket->env, thrown);
  }
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
  napi_remove_async_cleanup_hook(socket->hook);
  destroyWhenDone(socket);
}

void close(Socket* socket) {
  if (socket->closed) return;
  socket->closed = true;
  uv_poll_stop(&socket->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&socket->poll), onClosed);
}

// The environment ends and waits for the handle; nobody can be told any more.
void onCleanup(napi_async_cleanup_hook_handle, void* data) {
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
  const int number = static_cast<int>(port);
  std::memset(out, 0, sizeof *out);
  if (!v6) {
    *length = sizeof out->v4;
    return uv_ip4_addr(host.c_str(), number, &out->v4) == 0;
  }
  *length = sizeof out->v6;
  if (uv_ip6_addr(host.c_str(), number, &out->v6) == 0) return true;
  sockaddr_in v4;
  if (uv_ip4_addr(host.c_str(), number, &v4) != 0) return false;
  out->v6.sin6_family = AF_INET6;
  out->v6.sin6_port = htons(static_cast<uint16_t>(number));
  out->v6.sin6_addr.s6_addr[10] = out->v6.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(out->v6.sin6_addr.s6_addr + 12, &v4.sin_addr, 4);
  return true;
}

void push(napi_env env, napi_value list, uint32_t* at, napi_value value) { napi_set_element(env, list, (*at)++, value); }

bool isSame(const Address& a, const Address& b) {
  if (a.any.sa_family != b.any.sa_family) return false;
  if (a.any.sa_family == AF_INET) return a.v4.sin_port == b.v4.sin_port && a.v4.sin_addr.s_addr == b.v4.sin_addr.s_addr;
  return a.v6.sin6_port == b.v6.sin6_port && std::memcmp(&a.v6.sin6_addr, &b.v6.sin6_addr, sizeof a.v6.sin6_addr) == 0;
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

bool fill(napi_env env, Inbox* inbox) {
  for (unsigned i = 0; i < kBatch; i++) {
    if (inbox->references[i] != nullptr) continue;
    void* data = nullptr;
    napi_value buffer, store;
    // A Buffer's memory is not zeroed first.
    if (napi_create_buffer(env, kLargest, &data, &buffer) != napi_ok ||
        napi_get_typedarray_info(env, buffer, nullptr, nullptr, nullptr, &store, nullptr) != napi_ok ||
        napi_create_reference(env, store, 1, &inbox->references[i]) != napi_ok)
      return false;
    inbox->data[i] = static_cast<uint8_t*>(data);
  }
  return true;
}

// A view of the bytes that were read into a slot.
bool lend(napi_env env, Inbox* inbox, int slot, size_t length, napi_value* out) {
  napi_value store;
  return napi_get_reference_value(env, inbox->references[slot], &store) == napi_ok && store != nullptr &&
         napi_create_typedarray(env, napi_uint8_array, length, store, 0, out) == napi_ok;
}

// Appends [bytes, segment, host, port] per train; false when there was nothing to read.
bool readBatch(Socket* socket, napi_value list, bool* isFull) {
  napi_env env = socket->env;
  if (!fill(env, socket->inbox)) return false;
  mmsghdr headers[kBatch];
  iovec parts[kBatch];
  Address from[kBatch];
  alignas(cmsghdr) char control[kBatch][CMSG_SPACE(sizeof(int))];
  std::memset(headers, 0, sizeof headers);
  for (unsigned i = 0; i < kBatch; i++) {
    parts[i] = {socket->inbox->data[i], kLargest};
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
  uint32_t at = 0;
  napi_value bytes, segment, nothing;
  napi_get_undefined(env, &nothing);
  for (int i = 0; i < count; i++) {
    const size_t length = headers[i].msg_len;
    if (!lend(env, socket->inbox, i, length, &bytes)) return at > 0;
    napi_create_uint32(env, static_cast<uint32_t>(segmentOf(headers[i].msg_hdr, length)), &segment);
    push(env, list, &at, bytes);
    push(env, list, &at, segment);
    if (i > 0 && isSame(from[i], from[i - 1])) {
      push(env, list, &at, nothing);
      push(env, list, &at, nothing);
    } else {
      pushSource(env, list, &at, from[i]);
    }
  }
  return true;
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
  }
  bool isFull = true;
  for (int round = 0; round < kRounds && isFull && !socket->closed; round++) {
    isFull = false;
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_value list;
    napi_create_array(env, &list);
    if (readBatch(socket, list, &isFull)) emit(socket, list);
    napi_close_handle_scope(env, scope);
  }
}

// One for an environment, made with its first socket.
Inbox* inboxOf(napi_env env) {
  void* known = nullptr;
  napi_get_instance_data(env, &known);
  if (known != nullptr) return static_cast<Inbox*>(known);
  auto* inbox = new Inbox();
  napi_set_instance_data(
      env, inbox, [](napi_env, void* data, void*) { delete static_cast<Inbox*>(data); }, nullptr);
  return inbox;
}

// udpOpen(host, port, bufferBytes, onEvent): {socket, port, segments, dontFragment, receiveBuffer}. Errors carry the errno's name.
napi_value UdpOpen(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  size_t count = 4;
  std::string host;
  double port;
  int32_t bufferBytes;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 4) return fail(env, "ERR_MISSING_ARGS", "Expected 4 arguments");
  napi_valuetype type;
  if (!textOf(env, argv[0], &host) || !numberOf(env, argv[1], &port)) return nullptr;
  if (napi_get_value_int32(env, argv[2], &bufferBytes) != napi_ok || napi_typeof(env, argv[3], &type) != napi_ok ||
      type != napi_function)
    return fail(env, "ERR_INVALID_ARG_TYPE", "Expected a number and a function");
  const bool v6 = host.find(':') != std::string::npos;
  Address address;
  socklen_t length;
  if (!resolve(host, port, v6, &address, &length)) return fail(env, "EINVAL", "Not an address to bind");
  const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(env, uv_err_name(-errno), std::strerror(errno));
  const int on = 1, off = 0, probe = IP_PMTUDISC_PROBE, probe6 = IPV6_PMTUDISC_PROBE;
  if (v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  // Room for bursts and no fragments are wishes; what the kernel made of them is told. The first form of each is for
  // the privileged, beyond what the system's limits grant.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bufferBytes, sizeof bufferBytes) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bufferBytes, sizeof bufferBytes);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bufferBytes, sizeof bufferBytes) != 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bufferBytes, sizeof bufferBytes);
  int granted = 0;
  socklen_t grantedLength = sizeof granted;
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &grantedLength);
  bool whole = setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe) == 0;
  if (v6) whole = setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe6, sizeof probe6) == 0 && whole;
  setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
  int segment = 0;
  socklen_t segmentLength = sizeof segment;
  const bool segments = getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &segmentLength) == 0;
  auto* socket = new Socket();
  uv_loop_t* loop;
  int error = 0;
  if (bind(fd, &address.any, length) != 0 || getsockname(fd, &address.any, &length) != 0) error = -errno;
  else if (napi_get_uv_event_loop(env, &loop) != napi_ok) error = UV_EINVAL;
  else error = uv_poll_init(loop, &socket->poll, fd);
  if (error != 0) {
    ::close(fd);
    delete socket;
    return fail(env, uv_err_name(error), uv_strerror(error));
  }
  socket->env = env;
  socket->inbox = inboxOf(env);
  socket->fd = fd;
  socket->v6 = v6;
  socket->poll.data = socket;
  napi_create_reference(env, argv[3], 1, &socket->onEvent);
  napi_value name, external, result, value;
  napi_create_string_latin1(env, "pilot-udp", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, nullptr, name, &socket->context);
  napi_add_async_cleanup_hook(env, onCleanup, socket, &socket->hook);
  napi_create_external(
      env, socket,
      [](napi_env, void* data, void*) {
        auto* finalized = static_cast<Socket*>(data);
        finalized->finalized = true;
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
  napi_get_boolean(env, segments, &value);
  napi_set_named_property(env, result, "segments", value);
  napi_get_boolean(env, whole, &value);
  napi_set_named_property(env, result, "dontFragment", value);
  // Linux counts as much again for its own bookkeeping.
  napi_create_int32(env, granted / 2, &value);
  napi_set_named_property(env, result, "receiveBuffer", value);
  return result;
}

// Sends the parts as datagrams of `segment` bytes: 0, or a negative errno.
napi_value transmit(Socket* socket, const std::string& host, double port, iovec* parts, size_t count, size_t total, size_t segment) {
  napi_value result;
  Address address;
  socklen_t length;
  int error = 0;
  if (socket->closed) {
    error = EBADF;
  } else if (!resolve(host, port, socket->v6, &address, &length)) {
    error = EINVAL;
  } else {
    msghdr header;
    std::memset(&header, 0, sizeof header);
    header.msg_name = &address;
    header.msg_namelen = length;
    header.msg_iov = parts;
    header.msg_iovlen = count;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];
    if (total > segment) {
      std::memset(control, 0, sizeof control);
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      cmsghdr* c = CMSG_FIRSTHDR(&header);
      c->cmsg_level = SOL_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      const auto size = static_cast<uint16_t>(segment);
      std::memcpy(CMSG_DATA(c), &size, sizeof size);
    }
    ssize_t sent;
    do sent = sendmsg(socket->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    error = sent < 0 ? errno : 0;
    if (error == EAGAIN && !socket->waitsForRoom) {
      socket->waitsForRoom = true;
      watch(socket);
    }
  }
  napi_create_int32(socket->env, -error, &result);
  return result;
}

// udpSend(socket, host, port, ...packets). All but the last have the length of the first, and the last is not longer.
napi_value UdpSend(napi_env env, napi_callback_info info) {
  constexpr size_t kBefore = 3;
  napi_value argv[kBefore + kMostSegments];
  size_t count = kBefore + kMostSegments;
  Socket* socket;
  std::string host;
  double port;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count <= kBefore || count > kBefore + kMostSegments)
    return fail(env, "ERR_MISSING_ARGS", "Expected a socket, a destination, and 1 to 64 packets");
  if (!socketOf(env, argv[0], &socket) || !textOf(env, argv[1], &host) || !numberOf(env, argv[2], &port)) return nullptr;
  const size_t packets = count - kBefore;
  iovec parts[kMostSegments];
  size_t total = 0;
  for (size_t i = 0; i < packets; i++) {
    Bytes bytes;
    if (!bytesOf(env, argv[kBefore + i], &bytes)) return nullptr;
    const size_t first = i == 0 ? bytes.length : parts[0].iov_len;
    if (bytes.length > first || (i + 1 < packets && bytes.length != first))
      return fail(env, "ERR_OUT_OF_RANGE", "The packets of a train have one length");
    parts[i] = {bytes.data, bytes.length};
    total += bytes.length;
  }
  if (packets > 1 && (total > kLongestTrain || parts[packets - 1].iov_len == 0))
    return fail(env, "ERR_OUT_OF_RANGE", "The train is too long, or ends empty");
  return transmit(socket, host, port, parts, packets, total, parts[0].iov_len);
}

// udpSendTrain(socket, host, port, train, segment)
napi_value UdpSendTrain(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  size_t count = 5;
  Socket* socket;
  std::string host;
  double port, segment;
  Bytes train;
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  if (count < 5) return fail(env, "ERR_MISSING_ARGS", "Expected 5 arguments");
  if (!socketOf(env, argv[0], &socket) || !textOf(env, argv[1], &host) || !numberOf(env, argv[2], &port) ||
      !bytesOf(env, argv[3], &train) || !numberOf(env, argv[4], &segment))
    return nullptr;
  if (!(segment >= 1 && segment <= kLargest) || train.length == 0 || train.length > kLongestTrain ||
      static_cast<double>(train.length) > segment * kMostSegments)
    return fail(env, "ERR_OUT_OF_RANGE", "The train is too long, or empty");
  iovec part = {train.data, train.length};
  return transmit(socket, host, port, &part, 1, train.length, static_cast<size_t>(segment));
}

napi_value UdpClose(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  Socket* socket;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  if (count < 1) return fail(env, "ERR_MISSING_ARGS", "Expected a socket");
  if (socketOf(env, argument, &socket)) pilot::close(socket);
  return nullptr;
}

}  // namespace

void addUdp(napi_env env, napi_value exports) {
  method(env, exports, "udpOpen", UdpOpen);
  method(env, exports, "udpSend", UdpSend);
  method(env, exports, "udpSendTrain", UdpSendTrain);
  method(env, exports, "udpClose", UdpClose);
}

}  // namespace pilot

#else

namespace pilot {
void addUdp(napi_env, napi_value) {}
}  // namespace pilot

#endif
