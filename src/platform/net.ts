import type { Net } from '../runtime/ports.ts';
import { resolveHost } from './dial.ts';
import { connectLocalSocket, listenLocalSocket } from './local.ts';
import { gateways, localAddresses, watchNetworks } from './networks.ts';
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
    resolve: resolveHost,
    localAddresses,
    gateways,
    watchNetworks,
  };
}
