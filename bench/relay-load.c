/*
 * Load for a relay, as little of it as possible: sends datagrams in a closed loop with a fixed number under way, in
 * batches of one system call each, and counts what comes back.
 *
 * relay-load MODE HOST PORT FIRST_NODE NODES FRAME_BYTES WINDOW SECONDS
 * MODE relay: every socket is a node, registered with Discover, that sends relay messages to the next one.
 * MODE plain: frames of the same size go to PORT, and come back at the first socket, whose port a 2-byte hello told.
 * Prints one line: packets sent, packets received, seconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SOCKETS = 256, BATCH = 32, MAX_FRAME = 1500, HEADER = 9 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void put32(uint8_t *at, uint32_t value) {
  at[0] = value >> 24, at[1] = value >> 16, at[2] = value >> 8, at[3] = value;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 9) return fprintf(stderr, "relay-load MODE HOST PORT FIRST NODES BYTES WINDOW SECONDS\n"), 2;
  int relay = strcmp(argv[1], "relay") == 0, first = atoi(argv[4]), nodes = atoi(argv[5]);
  int length = atoi(argv[6]), window = atoi(argv[7]);
  double seconds = atof(argv[8]);
  if (nodes < 2 || nodes > MAX_SOCKETS || length < 1 || length > MAX_FRAME) return 2;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) return 2;

  static struct pollfd sockets[MAX_SOCKETS];
  static uint8_t frames[MAX_SOCKETS][HEADER + MAX_FRAME];
  int size = relay ? HEADER + length : length, buffer = 4 << 20;
  for (int i = 0; i < nodes; i++) {
    int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    if (socket_ < 0) fail("socket");
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (connect(socket_, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
    sockets[i] = (struct pollfd){.fd = socket_, .events = POLLIN};
    frames[i][0] = 5;
    put32(frames[i] + 1, first + i);
    put32(frames[i] + 5, first + (i + 1) % nodes);
    uint8_t hello[5] = {1}, answer[64];
    put32(hello + 1, first + i);
    for (int attempt = 0; relay && attempt < 50; attempt++) {
      if (send(socket_, hello, 5, 0) < 0) fail("send");
      if (poll(&sockets[i], 1, 100) > 0 && recv(socket_, answer, sizeof answer, 0) > 0) break;
      if (attempt == 49) return fprintf(stderr, "no answer to the registration\n"), 1;
    }
  }
  if (!relay && send(sockets[0].fd, "hi", 2, 0) < 0) fail("send");
  usleep(50000);

  static uint8_t in[BATCH][2048];
  struct mmsghdr incoming[BATCH], outgoing[BATCH];
  struct iovec into[BATCH], from[BATCH];
  memset(incoming, 0, sizeof incoming), memset(outgoing, 0, sizeof outgoing);
  for (int i = 0; i < BATCH; i++) {
    into[i] = (struct iovec){in[i], sizeof in[i]};
    incoming[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
    outgoing[i].msg_hdr = (struct msghdr){.msg_iov = &from[i], .msg_iovlen = 1};
  }
  long sent = 0, received = 0;
  int turn = 0, owed = window;
  double start = now(), heard = start, end = start + seconds;
  for (double at = start; at < end; at = now()) {
    while (owed > 0) {
      int count = owed < BATCH ? owed : BATCH;
      for (int i = 0; i < count; i++) from[i] = (struct iovec){frames[turn], size};
      int done = sendmmsg(sockets[turn].fd, outgoing, count, MSG_DONTWAIT);
      turn = (turn + 1) % nodes;
      if (done <= 0) break;
      sent += done, owed -= done;
    }
    int watched = relay ? nodes : 1;
    int ready = poll(sockets, watched, 20);
    /* Nothing for a while: what was under way is lost, and replaced. */
    if (ready == 0 && now() - heard > 0.1) owed = window, heard = now();
    for (int i = 0; i < watched && ready > 0; i++) {
      if (!(sockets[i].revents & POLLIN)) continue;
      ready--;
      int got = recvmmsg(sockets[i].fd, incoming, BATCH, MSG_DONTWAIT, NULL);
      if (got <= 0) continue;
      received += got, owed += got, heard = now();
    }
  }
  printf("%ld %ld %.3f\n", sent, received, now() - start);
  return 0;
}
