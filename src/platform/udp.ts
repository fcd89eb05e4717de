import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { UdpSocket } from '../runtime/ports.ts';
import { eachDatagram } from '../runtime/trains.ts';
import { type SetOption, setDontFragment, setSegment } from './socket-options.ts';
import { systemCode, systemError } from './system-error.ts';

/** Bursts beyond the kernel's default 212 KB buffer are lost; 4 MB is what common limits grant. */
export const BUFFER_BYTES = 4 * 1024 * 1024;
/** Limits of one system call: segments, and the bytes of a UDP datagram over IPv4. */
export const MOST_SEGMENTS = 64;
export const LONGEST_TRAIN = 65_507;

export interface NodeUdpSocket extends UdpSocket {
  /** Datagrams the system refused to send: unreachable networks, bad addresses, full buffers. */
  sendErrors(): number;
}

/** The system knows no way to the address, at least not now. */
export const UNREACHABLE: readonly string[] = [
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'ENONET',
];

type LookupDone = (error: Error | null, address: string, family: number) => void;

/**
 * Binds a UDP socket. `::` also takes IPv4; IPv4-mapped addresses are shown as plain IPv4. With `setOption`, what the
 * system can do about segments and fragments is used: trains leave in one call, and nothing is fragmented.
 */
export function openUdp(bind: Endpoint, setOption?: SetOption): Promise<NodeUdpSocket> {
  const v6 = isIPv6(bind.host);
  const family = v6 ? 6 : 4;
  const socket = createSocket({
    type: v6 ? 'udp6' : 'udp4',
    ipv6Only: false,
    // Hosts are literals, so nothing is ever looked up: this keeps the DNS machinery off the send path.
    lookup: (host: string, _options: unknown, done: LookupDone) => done(null, host, family),
  });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(systemError(error, `bind UDP ${formatEndpoint(bind)}`));
    });
    socket.bind({ address: bind.host, port: bind.port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      enlarge(socket);
      const { address, port } = socket.address();
      resolve(udpSocket(socket, { host: address, port }, v6, setOption));
    });
  });
}

function udpSocket(
  socket: Socket,
  local: Endpoint,
  v6: boolean,
  setOption: SetOption | undefined,
): NodeUdpSocket {
  let errors = 0;
  let closed = false;
  let onUnreachable: ((to: Endpoint) => void) | undefined;
  let onTooLong: ((to: Endpoint, bytes: number) => void) | undefined;
  let segments = setOption !== undefined && setSegment(socket, setOption, 0);
  // Errors are rare and sends are not: what is kept per datagram is one closure.
  const counted = (error: Error | null, to?: Endpoint, bytes = 0): void => {
    if (error === null) return;
    errors++;
    const code = systemCode(error) ?? '';
    if (to === undefined) return;
    if (UNREACHABLE.includes(code)) onUnreachable?.(to);
    if (code === 'EMSGSIZE') onTooLong?.(to, bytes);
  };
  const addressOf = (to: Endpoint): string => (v6 && !to.host.includes(':') ? `::ffff:${to.host}` : to.host);
  const send = (data: Uint8Array, to: Endpoint): void => {
    if (closed) return;
    try {
      socket.send(data, to.port, addressOf(to), (error) => counted(error, to, data.length));
    } catch {
      // Port 0 and the like throw at once; to a datagram sender that is one more lost datagram.
      errors++;
    }
  };
  socket.on('error', (error) => counted(error));

  /** One call for what the kernel then cuts; false when it did not take it. Nothing may be waiting: it would be cut too. */
  function sendSegments(train: Uint8Array, segment: number, to: Endpoint): boolean {
    if (socket.getSendQueueCount() > 0 || !setSegment(socket, setOption!, segment)) return false;
    try {
      socket.send(train, to.port, addressOf(to), (error) => {
        const code = error === null ? undefined : systemCode(error);
        // A device that cannot cut, or datagrams too long for the way: one by one tells.
        if (code === 'EIO') segments = false;
        if (code === 'EIO' || code === 'EINVAL' || code === 'EMSGSIZE')
          eachDatagram(train, segment, (datagram) => send(datagram, to));
        else counted(error, to);
      });
    } catch {
      errors++;
    }
    // What is sent next is not to be cut, and what was not sent at once is lost with the length of its train.
    setSegment(socket, setOption!, 0);
    return true;
  }

  return {
    local,
    dontFragment: setOption !== undefined && setDontFragment(socket, setOption, v6),
    receiveBuffer: receiveBuffer(socket),
    send,
    sendTrain(train, segment, to) {
      if (closed) return;
      if (!segments || train.length <= segment) {
        eachDatagram(train.slice(), segment, (datagram) => send(datagram, to));
        return;
      }
      // Bytes that wait to be sent must not change, and the caller's may.
      const own = train.slice();
      const most = segment * Math.max(1, Math.min(MOST_SEGMENTS, Math.floor(LONGEST_TRAIN / segment)));
      for (let at = 0; at < own.length; at += most) {
        const part = own.subarray(at, at + most);
        if (part.length <= segment || !sendSegments(part, segment, to))
          eachDatagram(part, segment, (datagram) => send(datagram, to));
      }
    },
    onDatagram(receiver) {
      socket.removeAllListeners('message');
      socket.on('message', (data, from) =>
        receiver(data, { host: plainHost(from.address), port: from.port }),
      );
    },
    onTrain(receiver) {
      this.onDatagram((data, from) => receiver(data, data.length, from));
    },
    onUnreachable(receiver) {
      onUnreachable = receiver;
    },
    onTooLong(receiver) {
      onTooLong = receiver;
    },
    close() {
      if (closed) return Promise.resolve();
      closed = true;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
    sendErrors: () => errors,
  };
}

/** An address as the wire can carry it: IPv4-mapped as IPv4, without an interface scope. */
export function plainHost(address: string): string {
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7);
  const scope = address.indexOf('%');
  return scope < 0 ? address : address.slice(0, scope);
}

/** Linux counts as much again for its own bookkeeping. */
function receiveBuffer(socket: Socket): number {
  return socket.getRecvBufferSize() / (process.platform === 'linux' ? 2 : 1);
}

function enlarge(socket: Socket): void {
  for (let bytes = BUFFER_BYTES; bytes >= BUFFER_BYTES / 16; bytes /= 2) {
    try {
      socket.setRecvBufferSize(bytes);
      socket.setSendBufferSize(bytes);
      return;
    } catch {
      // Some systems refuse more than they allow instead of clamping.
    }
  }
}
