/*
 * Cables with delay, loss, jitter and a rate. Each cable joins two interfaces; every frame that arrives at one leaves
 * by the other later, in order, or not at all.
 *
 *   shaper run SOCKET           serve until killed; SOCKET is the path of the control socket
 *   shaper tell SOCKET LINE     one control line, waits for the answer:
 *       join A B  DELAY JITTER LOSS RATE QUEUE     a new cable
 *       set A  DELAY JITTER LOSS RATE QUEUE        change the cable whose first interface is A
 *   shaper single IFACE         make an interface send single frames with complete checksums
 *
 * DELAY, JITTER and QUEUE (before the line) in microseconds, LOSS in frames of a million, RATE in bits per second (0: none).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CABLES = 64, FRAME = 2048, QUEUE = 8192, BATCH = 64 };

struct frame {
  int64_t due;
  uint16_t length;
  uint8_t bytes[FRAME - 16];
};

struct lane { /* one direction of a cable */
  int in, out;
  struct frame *ring; /* QUEUE entries */
  uint32_t head, tail;
  int64_t last_due, line_free;
};

struct cable {
  char name[IFNAMSIZ];
  int64_t delay, jitter, rate, queue;
  uint32_t loss;
  struct lane lanes[2];
};

static struct cable cables[CABLES];
static int cable_count;
static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t draw(uint32_t below) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return below == 0 ? 0 : (uint32_t)((seed >> 16) % below);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static int fail(const char *what) {
  fprintf(stderr, "shaper: %s: %s\n", what, strerror(errno));
  return -1;
}

static int open_interface(const char *name) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
  if (fd < 0) return fail("socket");
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  at.sll_ifindex = if_nametoindex(name);
  int one = 1, buffer = 8 << 20;
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  if (at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
    fail(name);
    close(fd);
    return -1;
  }
  return fd;
}

static struct cable *find(const char *name) {
  for (int i = 0; i < cable_count; i++)
    if (strcmp(cables[i].name, name) == 0) return &cables[i];
  return NULL;
}

static const char *control(char *line) {
  char a[IFNAMSIZ], b[IFNAMSIZ];
  long long delay, jitter, rate, queue;
  unsigned loss;
  struct cable *cable;
  if (sscanf(line, "join %15s %15s %lld %lld %u %lld %lld", a, b, &delay, &jitter, &loss, &rate, &queue) == 7) {
    cable = find(a);
    if (cable == NULL && cable_count == CABLES) return "too many cables";
    int in = open_interface(a), out = open_interface(b);
    if (in < 0 || out < 0) return "no such interface";
    if (cable == NULL) cable = &cables[cable_count++];
    else for (int i = 0; i < 2; i++) close(cable->lanes[i].in);
    for (int i = 0; i < 2; i++) {
      struct lane *lane = &cable->lanes[i];
      struct frame *ring = lane->ring != NULL ? lane->ring : malloc(QUEUE * sizeof *ring);
      *lane = (struct lane){.in = i ? out : in, .out = i ? in : out, .ring = ring};
    }
    strcpy(cable->name, a);
  } else if (sscanf(line, "set %15s %lld %lld %u %lld %lld", a, &delay, &jitter, &loss, &rate, &queue) == 6) {
    cable = find(a);
    if (cable == NULL) return "no such cable";
  } else {
    return "not understood";
  }
  cable->delay = delay * 1000;
  cable->jitter = jitter * 1000;
  cable->loss = loss;
  cable->rate = rate;
  cable->queue = queue * 1000;
  return "ok";
}

static void take(struct cable *cable, struct lane *lane, int64_t at) {
  for (int i = 0; i < BATCH; i++) {
    static uint8_t spare[65536];
    int full = lane->tail - lane->head == QUEUE;
    struct frame *frame = &lane->ring[lane->tail % QUEUE];
    ssize_t length = recv(lane->in, full ? spare : frame->bytes, full ? sizeof spare : sizeof frame->bytes, MSG_TRUNC);
    if (length <= 0) return;
    if (full || draw(1000000) < cable->loss) continue;
    if ((size_t)length > sizeof frame->bytes) {
      fprintf(stderr, "shaper: a frame of %zd bytes on %s is too large\n", length, cable->name);
      continue;
    }
    int64_t sent = at;
    if (cable->rate > 0) {
      if (lane->line_free < at) lane->line_free = at;
      if (lane->line_free - at > cable->queue) continue; /* the queue before the line is full */
      lane->line_free += length * 8000000000ll / cable->rate;
      sent = lane->line_free;
    }
    int64_t due = sent + cable->delay + (cable->jitter > 0 ? draw(cable->jitter) : 0);
    if (due < lane->last_due) due = lane->last_due;
    lane->last_due = frame->due = due;
    frame->length = (uint16_t)length;
    lane->tail++;
  }
}

static void give(struct lane *lane, int64_t at) {
  while (lane->head != lane->tail) {
    struct frame *frame = &lane->ring[lane->head % QUEUE];
    if (frame->due > at) return;
    /* A cable whose other end is down or gone loses the frame. */
    if (send(lane->out, frame->bytes, frame->length, 0) < 0 && errno == EAGAIN) return;
    lane->head++;
  }
}

static int serve(const char *path) {
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  strncpy(at.sun_path, path, sizeof at.sun_path - 1);
  unlink(path);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 8) < 0) return fail(path);
  for (;;) {
    struct pollfd fds[1 + 2 * CABLES] = {{.fd = listener, .events = POLLIN}};
    int64_t time = now(), next = time + 1000000000;
    int count = 1;
    for (int c = 0; c < cable_count; c++)
      for (int i = 0; i < 2; i++) {
        struct lane *lane = &cables[c].lanes[i];
        give(lane, time);
        if (lane->head != lane->tail && lane->ring[lane->head % QUEUE].due < next)
          next = lane->ring[lane->head % QUEUE].due;
        fds[count++] = (struct pollfd){.fd = lane->in, .events = POLLIN};
      }
    int64_t wait = next - now();
    struct timespec timeout = {wait > 0 ? wait / 1000000000 : 0, wait > 0 ? wait % 1000000000 : 0};
    if (ppoll(fds, count, &timeout, NULL) <= 0) continue;
    time = now();
    for (int n = 1; n < count; n++) {
      struct cable *cable = &cables[(n - 1) / 2];
      if (fds[n].revents & (POLLERR | POLLHUP)) { /* an interface went away: clear the error, keep the rest going */
        int error;
        socklen_t size = sizeof error;
        getsockopt(fds[n].fd, SOL_SOCKET, SO_ERROR, &error, &size);
      }
      if (fds[n].revents & POLLIN) take(cable, &cable->lanes[(n - 1) % 2], time);
    }
    if (fds[0].revents & POLLIN) {
      int client = accept(listener, NULL, NULL);
      char line[256] = {0};
      if (client >= 0 && read(client, line, sizeof line - 1) > 0) {
        const char *answer = control(line);
        if (write(client, answer, strlen(answer)) < 0) fail("answer");
      }
      if (client >= 0) close(client);
    }
  }
}

static int tell(const char *path, const char *line) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  strncpy(at.sun_path, path, sizeof at.sun_path - 1);
  int fd = -1;
  for (int tries = 0; tries < 200; tries++) { /* it may only just be starting */
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) break;
    close(fd);
    fd = -1;
    usleep(10000);
  }
  if (fd < 0) return fail(path);
  char answer[256] = {0};
  if (write(fd, line, strlen(line)) < 0 || read(fd, answer, sizeof answer - 1) <= 0) return fail("tell");
  if (strcmp(answer, "ok") == 0) return 0;
  fprintf(stderr, "shaper: %s: %s\n", line, answer);
  return 1;
}

static int single(const char *name) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  static const uint32_t off[] = {ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO};
  for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
    struct ethtool_value value = {.cmd = off[i], .data = 0};
    struct ifreq request = {.ifr_data = (char *)&value};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(fd, SIOCETHTOOL, &request) < 0 && errno != EOPNOTSUPP) return fail(name);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "run") == 0) return serve(argv[2]) == 0 ? 0 : 1;
  if (argc == 4 && strcmp(argv[1], "tell") == 0) return tell(argv[2], argv[3]) == 0 ? 0 : 1;
  if (argc == 3 && strcmp(argv[1], "single") == 0) return single(argv[2]) == 0 ? 0 : 1;
  fprintf(stderr, "usage: shaper run SOCKET | tell SOCKET LINE | single IFACE\n");
  return 2;
}
