import { PilotError } from '../../api/errors.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import type { Net, NetworkChange, PipeServer } from '../../runtime/ports.ts';
import { singly } from '../../runtime/trains.ts';
import type { BoundSocket } from './host.ts';
import type { Process } from './process.ts';
import { connectLocal, connectTcp, isAddress, type Listener } from './tcp.ts';

const IP_AND_UDP = 28;
const LOOKUP_DELAY = 8;
const WATCH_DELAY = 500;

/** The virtual internet as one process sees it. */
export function processNet(process: Process): Net {
  const { host } = process;
  const { world } = host;
  return {
    async udp(bind) {
      return host.bindUdp(bind.port, (port) => udpSocket(process, { host: bind.host, port }));
    },
    async listen(bind, onPipe, options = {}): Promise<PipeServer> {
      const port =
        bind.port === 0 ? host.ephemeralPort((candidate) => host.listeners.has(candidate)) : bind.port;
      if (host.listeners.has(port))
        throw new PilotError('port_in_use', `Cannot listen on ${formatEndpoint(bind)}: in use`);
      const fingerprint =
        options.tls === undefined ? undefined : fingerprintOf(process, options.tls.certificate);
      return openServer(host.listeners, port, {
        process,
        local: { host: bind.host, port },
        onPipe,
        fingerprint,
      });
    },
    connect: (to, options) => connectTcp(process, to, options),
    webSocket: () => Promise.reject(new PilotError('connection_failed', 'No WebSockets in the simulation')),
    async listenLocal(path, onPipe) {
      if (host.localListeners.has(path))
        throw new PilotError('socket_in_use', `Cannot listen on ${path}: in use`);
      return openServer(host.localListeners, path, {
        process,
        local: { host: path, port: 0 },
        onPipe,
        fingerprint: undefined,
      });
    },
    connectLocal: (path) => connectLocal(process, path),
    resolve(name) {
      return new Promise((resolve, reject) => {
        process.schedule(world.now + LOOKUP_DELAY, () => {
          const found = isAddress(name) ? [name] : world.names.get(name);
          if (found === undefined) reject(new PilotError('connection_failed', `Cannot resolve "${name}"`));
          else resolve([...found]);
        });
      });
    },
    localAddresses: () => [host.address],
    links: () => [
      { address: '127.0.0.1', bits: 8, mtu: 65_536, loopback: true, leadsOut: false },
      { address: host.address, bits: 24, mtu: host.link.conditions.mtu, loopback: false, leadsOut: true },
    ],
    gateways: () => [],
    watchNetworks(onChange) {
      // A real process looks once a second.
      const watcher = (change: NetworkChange): void => {
        process.schedule(world.now + WATCH_DELAY, () => {
          if (host.watchers.has(watcher)) onChange(change);
        });
      };
      host.watchers.add(watcher);
      process.whenDead(() => host.watchers.delete(watcher));
      return { cancel: () => void host.watchers.delete(watcher) };
    },
  };
}

function openServer<Key>(listeners: Map<Key, Listener>, key: Key, listener: Listener): PipeServer {
  listeners.set(key, listener);
  return {
    local: listener.local,
    async close() {
      if (listeners.get(key) === listener) listeners.delete(key);
    },
  };
}

function udpSocket(process: Process, local: Endpoint): BoundSocket {
  const { host } = process;
  let receiver: ((data: Uint8Array, from: Endpoint) => void) | undefined;
  let tooLong: (to: Endpoint, bytes: number) => void = () => {};
  let closed = false;
  const single = singly({
    local,
    send(data, to) {
      if (closed || !process.alive || to.port < 1 || to.port > 65535 || !isAddress(to.host)) return;
      const isLocal = to.host === '127.0.0.1' || to.host === host.address;
      if (!isLocal && data.length + IP_AND_UDP > host.link.conditions.mtu) {
        process.schedule(host.world.now, () => tooLong(to, data.length));
        return;
      }
      const source = to.host === '127.0.0.1' ? to.host : host.address;
      host.world.router.sendDatagram(host, { host: source, port: local.port }, to, data);
    },
    onDatagram(next) {
      receiver = next;
    },
    onUnreachable() {
      // The virtual internet loses silently.
    },
    async close() {
      closed = true;
      host.unbindUdp(socket);
    },
  });
  const socket: BoundSocket = {
    ...single,
    process,
    dontFragment: true,
    onTooLong(next) {
      tooLong = next;
    },
    receive(data, from) {
      if (!closed && process.alive) receiver?.(data, from);
    },
  };
  return socket;
}

/** SHA-256 of the DER inside a PEM certificate, as TLS clients see it. */
function fingerprintOf(process: Process, pem: string): string {
  const base64 = pem.replace(/-----[^-]+-----/g, '');
  return process.crypto
    .sha256(Buffer.from(base64, 'base64'))
    .reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), '');
}
