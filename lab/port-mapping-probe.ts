/**
 * The daemon's port mapper alone, on a machine of the laboratory. Prints a line of JSON whenever its status changes, and
 * one for each datagram that reaches the tunnel's socket. Ends with its standard input.
 *
 *   port-mapping-probe [PORT of the tunnel]
 */
import { PortMapper } from '../src/daemon/port-mapper.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom } from '../src/platform/index.ts';

const [tunnelPort = '0'] = process.argv.slice(2);
const net = nodeNet();
const crypto = nodeCrypto();
const socket = await net.udp({ host: '::', port: Number(tunnelPort) });
const say = (line: object): void => console.log(JSON.stringify(line));
socket.onDatagram((data, from) => say({ got: Buffer.from(data).toString(), from: from.host }));
const mapper = new PortMapper({
  mode: 'auto',
  net,
  clock: nodeClock(),
  random: nodeRandom(),
  crypto,
  identity: crypto.signingKey(new Uint8Array(32).fill(1)),
  local: socket.local,
  log: { event: (_level, event, fields) => say({ event, ...fields, port: socket.local.port }) },
  changed: (external) => say({ external: external ?? null }),
});
mapper.look();
process.stdin.on('end', () => {
  void mapper.stop().then(async () => {
    say({ stopped: mapper.status() });
    await socket.close();
    process.exit(0);
  });
});
process.stdin.resume();
