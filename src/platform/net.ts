import type { Net } from '../runtime/ports.ts';
import { loadAccelerator } from './accelerator.ts';
import { connectTcp } from './connect.ts';
import { Resolver } from './dial.ts';
import { connectLocalSocket, listenLocalSocket } from './local.ts';
import { hasNativeUdp, openNativeUdp } from './native-udp.ts';
import { localAddresses, Routes } from './networks.ts';
import { listenTcp } from './tcp.ts';
import { openUdp } from './udp.ts';
import { connectWebSocket } from './websocket.ts';

/** The process's sockets. */
export function nodeNet(accelerator = loadAccelerator()): Net {
  const resolver = new Resolver();
  const routes = new Routes();
  return {
    udp: (bind) =>
      accelerator !== undefined && hasNativeUdp(accelerator)
        ? openNativeUdp(accelerator, bind)
        : openUdp(bind, accelerator?.setOption),
    listen: listenTcp,
    connect: (to, options) => connectTcp(to, options, resolver),
    webSocket: (url, options) => connectWebSocket(url, options, resolver),
    listenLocal: listenLocalSocket,
    connectLocal: connectLocalSocket,
    resolve: (host) => resolver.resolve(host),
    localAddresses,
    gateways: () => routes.gateways(),
    watchNetworks: (onChange) => routes.watch(onChange),
  };
}
