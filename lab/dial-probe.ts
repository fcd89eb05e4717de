/**
 * What the ports of the platform make of a machine's networks, without the product around them.
 *
 *   dial-probe NAME PORT     listens on PORT, connects to NAME at PORT and prints where and how long it took
 *   dial-probe bind          prints where the tunnel's socket would be bound
 *   dial-probe watch         prints a line when it watches, and one for each change of networks
 */
import { bindTunnel, localEndpoints } from '../src/daemon/tunnel-socket.ts';
import { nodeNet } from '../src/platform/index.ts';

const [word, port] = process.argv.slice(2);
const net = nodeNet();
const say = (line: object): void => console.log(JSON.stringify(line));

if (word === 'bind') {
  const socket = await bindTunnel(net, { host: '::', port: 0 }, undefined);
  say({ host: socket.local.host });
  await socket.close();
} else if (word === 'watch') {
  net.watchNetworks((change) => say({ change, addresses: net.localAddresses(), gateways: net.gateways() }));
  say({ watching: localEndpoints(net, { host: '::', port: 1 }).map(({ host }) => host) });
} else if (word !== undefined) {
  const to = { host: word, port: Number(port) };
  const server = await net.listen({ host: '0.0.0.0', port: to.port }, () => {});
  const begun = performance.now();
  const pipe = await net.connect(to, { timeout: 5_000 });
  say({ host: pipe.remote.host, ms: Math.round(performance.now() - begun) });
  pipe.destroy();
  await server.close();
}
