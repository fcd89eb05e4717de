/**
 * What does an idle node say? One node behind a NAT trusts four others, each behind a NAT of its own; all have talked
 * and fallen silent. Counts what crosses the node's interface, in both directions, headers of IP and above included.
 *
 * Usage: npm run idle -- [--seconds 90] [--quiet-for 70] [--peers 4] [--v4]
 */
import { parseArgs } from 'node:util';
import { Network } from './network.ts';
import { whyNoNamespaces } from './shell.ts';
import { type Actor, Stage } from './stage.ts';

const ETHERNET = 14;
const SERVER = { v4: '203.0.113.1', v6: '2001:db8:0:1::1', name: 'pilot.test' } as const;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '90' },
    'quiet-for': { type: 'string', default: '70' },
    peers: { type: 'string', default: '4' },
    v4: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const obstacle = whyNoNamespaces();
if (obstacle !== undefined) {
  console.error(`Cannot build the laboratory: ${obstacle}`);
  process.exit(1);
}

const network = new Network(`pi${process.pid % 1000}`);
const stage = new Stage();
const pub = stage.actor('rendezvous', network.inside('pub'));
const names = Array.from({ length: Number(values.peers) + 1 }, (_, i) => `node-${i}`);
const actors: Actor[] = names.map((name) => stage.actor(name, network.inside(name)));
const [node, ...peers] = actors as [Actor, ...Actor[]];
const quietly = { quiet: true } as const;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    down();
    process.exit(1);
  });
}
try {
  build();
  begin();
  for (const peer of peers) await befriend(peer);
  for (const peer of peers) stage.pilotctl(node, ['send-message', peer.name, '--data', 'hello'], quietly);
  await seconds(Number(values['quiet-for']));
  const before = counted();
  await seconds(Number(values.seconds));
  const after = counted();
  const span = Number(values.seconds);
  const paths = stage
    .json<{ peers: { path?: string }[] }>(node, ['peers'])
    .peers.map(({ path }) => path ?? 'none');
  const bytes = after.bytes - before.bytes - ETHERNET * (after.packets - before.packets);
  const result = {
    families: values.v4 ? 'IPv4' : 'IPv4 and IPv6',
    peers: paths,
    seconds: span,
    packets: after.packets - before.packets,
    bytes_per_second: Math.round((10 * bytes) / span) / 10,
  };
  if (values.json) console.log(JSON.stringify(result));
  else {
    console.log(
      `${result.bytes_per_second} bytes/s, ${result.packets} packets in ${span} s, ${result.families}`,
    );
    console.log(`trusted peers used a minute ago: ${paths.join(', ')}`);
  }
} finally {
  down();
}

/** Sent and received by the node's interface since it was plugged in. */
function counted(): { bytes: number; packets: number } {
  const of = (what: string): number =>
    Number(network.on(node.name, 'cat', `/sys/class/net/eth0/statistics/${what}`));
  return { bytes: of('rx_bytes') + of('tx_bytes'), packets: of('rx_packets') + of('tx_packets') };
}

function build(): void {
  const v6 = (...addresses: string[]): string[] => (values.v4 ? [] : addresses);
  network.machine('pub', { forwards: true });
  network.plug('pub', 'eth0', {
    into: 'internet',
    addresses: [`${SERVER.v4}/24`, ...v6(`${SERVER.v6}/64`)],
  });
  const known = [SERVER.v4, ...v6(SERVER.v6)];
  network.names('pub', SERVER.name, known);
  names.forEach((name, i) => {
    const router = `r${i}`;
    const [lan4, lan6] = [`192.168.${10 + i}`, `2001:db8:${10 + i}:1:`];
    const [wan4, wan6] = [`203.0.113.${10 + i}`, `2001:db8:0:1::${10 + i}`];
    network.machine(router, { forwards: true });
    network.plug(router, 'wan', {
      into: 'internet',
      addresses: [`${wan4}/24`, ...v6(`${wan6}/64`)],
      gateways: known,
    });
    network.plug(router, 'lan', {
      into: `home-${i}`,
      addresses: [`${lan4}.1/24`, ...v6(`${lan6}:1/64`)],
    });
    if (!values.v4) network.way('pub', `${lan6}:/64`, wan6);
    network.machine(name);
    network.plug(name, 'eth0', {
      into: `home-${i}`,
      addresses: [`${lan4}.2/24`, ...v6(`${lan6}:2/64`)],
      gateways: [`${lan4}.1`, ...v6(`${lan6}:1`)],
    });
    network.names(name, SERVER.name, known);
    network.route(router, { nat: 'port-restricted', external: wan4 });
  });
}

function begin(): void {
  const host = values.v4 ? SERVER.v4 : '[::]';
  stage.pilotctl(
    pub,
    ['rendezvous', 'start', '--registry-addr', `${host}:9000`, '--beacon-addr', `${host}:9001`],
    quietly,
  );
  for (const actor of actors) {
    stage.pilotctl(actor, ['init', '--registry', SERVER.name, '--hostname', actor.name], quietly);
    stage.pilotctl(actor, ['daemon', 'start', '--timeout', '20s'], quietly);
  }
}

async function befriend(peer: Actor): Promise<void> {
  stage.pilotctl(node, ['handshake', peer.name, 'laboratory'], quietly);
  await until(() => stage.json<{ pending: unknown[] }>(peer, ['pending']).pending.length > 0);
  stage.pilotctl(peer, ['approve', node.name], quietly);
  const trusts = (): number => stage.json<{ trusted: unknown[] }>(peer, ['trust']).trusted.length;
  await until(() => trusts() > 0);
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 50; i++) {
    if (condition()) return;
    await seconds(0.2);
  }
  throw new Error('what was waited for did not happen within 10 s');
}

function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1_000 * count));
}

function down(): void {
  for (const actor of actors) stage.pilotctl(actor, ['daemon', 'stop'], { quiet: true, mayFail: true });
  stage.pilotctl(pub, ['rendezvous', 'stop'], { quiet: true, mayFail: true });
  network.down();
  stage.remove();
}
