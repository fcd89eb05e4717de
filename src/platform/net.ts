import type { Net } from '../runtime/ports.ts';
import { accelerate } from './accelerator.ts';
import { connectTcp } from './connect.ts';
import { Resolver } from './dial.ts';
import { localLinks } from './links.ts';
import { connectLocalSocket, listenLocalSocket } from './local.ts';
import { openNativeUdp } from './native-udp.ts';
import { localAddresses, Routes } from './networks.ts';
import { listenTcp } from './tcp.ts';
import { openUdp } from './udp.ts';
import { connectWebSocket } from './websocket.ts';

/** The process's sockets. */
export function nodeNet({ sockets, setOption } = accelerate()): Net {
  const resolver = new Resolver();
  const routes = new Routes();
  return {
    udp: (bind) => (sockets === undefined ? openUdp(bind, setOption) : openNativeUdp(sockets, bind)),
    listen: listenTcp,
    connect: (to, options) => connectTcp(to, options, resolver),
    webSocket: (url, options) => connectWebSocket(url, options, resolver),
    listenLocal: listenLocalSocket,
    connectLocal: connectLocalSocket,
    resolve: (host) => resolver.resolve(host),
    localAddresses,
    links: () => localLinks(routes.defaults()),
    gateways: () => routes.gateways(),
    watchNetworks: (onChange) => routes.watch(onChange),
  };
}
