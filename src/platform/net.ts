import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { PilotError } from '../api/errors.ts';
import type { Net } from '../runtime/ports.ts';
import { connectLocalSocket, listenLocalSocket } from './local.ts';
import { connectTcp, listenTcp } from './tcp.ts';
import { openUdp } from './udp.ts';

/** The process's sockets. */
export function nodeNet(): Net {
  return {
    udp: openUdp,
    listen: listenTcp,
    connect: connectTcp,
    listenLocal: listenLocalSocket,
    connectLocal: connectLocalSocket,
    async resolve(host) {
      if (isIP(host) !== 0) return [host];
      try {
        const found = await lookup(host, { all: true, verbatim: true });
        return found.map((entry) => entry.address);
      } catch (error) {
        throw new PilotError('connection_failed', `Cannot resolve "${host}"`, { cause: error });
      }
    },
    localAddresses() {
      const found: string[] = [];
      for (const addresses of Object.values(networkInterfaces())) {
        for (const entry of addresses ?? []) {
          // Link-local IPv6 needs an interface name that no wire field can carry.
          if (!entry.internal && !entry.address.startsWith('fe80:')) found.push(entry.address);
        }
      }
      return found;
    },
  };
}
