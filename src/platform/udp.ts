import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { UdpSocket } from '../runtime/ports.ts';
import { systemCode, systemError } from './system-error.ts';

/** Bursts beyond the kernel's default 212 KB buffer are lost; 4 MB is what common limits grant. */
export const BUFFER_BYTES = 4 * 1024 * 1024;

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

/** Binds a UDP socket. `::` also takes IPv4; IPv4-mapped addresses are shown as plain IPv4. */
export function openUdp(bind: Endpoint): Promise<NodeUdpSocket> {
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
      resolve(udpSocket(socket, { host: address, port }, v6));
    });
  });
}

function udpSocket(socket: Socket, local: Endpoint, v6: boolean): NodeUdpSocket {
  let errors = 0;
  let closed = false;
  let onUnreachable: ((to: Endpoint) => void) | undefined;
  // Errors are rare and sends are not: what is kept per datagram is one closure.
  const counted = (error: Error | null, to?: Endpoint): void => {
    if (error === null) return;
    errors++;
    if (to !== undefined && UNREACHABLE.includes(systemCode(error) ?? '')) onUnreachable?.(to);
  };
  socket.on('error', (error) => counted(error));
  return {
    local,
    send(data, to) {
      if (closed) return;
      const host = v6 && !to.host.includes(':') ? `::ffff:${to.host}` : to.host;
      try {
        socket.send(data, to.port, host, (error) => counted(error, to));
      } catch {
        // Port 0 and the like throw at once; to a datagram sender that is one more lost datagram.
        errors++;
      }
    },
    onDatagram(receiver) {
      socket.removeAllListeners('message');
      socket.on('message', (data, from) =>
        receiver(data, { host: plainHost(from.address), port: from.port }),
      );
    },
    onUnreachable(receiver) {
      onUnreachable = receiver;
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
