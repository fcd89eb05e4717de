/** What a trusted peer may not do: make us send to others without end, or to those that nobody but it names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, Instant } from '../../base/units.ts';
import {
  type CandidatesMessage,
  encodePathMessage,
  isPathMessage,
  MAX_TOLD_ENDPOINTS,
  MAX_TOLD_PORTS,
  type PathMessage,
} from '../../wire/path-message.ts';
import { BIRTHDAY_PORTS, MAX_ATTEMPTS } from '../punch/constants.ts';
import { OldDaemon } from './old-daemon.testkit.ts';
import { controlPacket } from './probes.ts';
import {
  BEACON,
  type Datagram,
  Internet,
  type Pair,
  pair,
  TestBeacon,
  TestDirectory,
  TestNode,
} from './tunnel.testkit.ts';

const HARD: CandidatesMessage['nat'] = {
  translation: 'nat',
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  allocation: 'random',
  step: 0,
};
const TOLD: CandidatesMessage = {
  kind: 'candidates',
  sequence: 1,
  relayOnly: false,
  nat: HARD,
  seen: undefined,
  endpoints: [],
  relays: [],
};

/** A and B talk to each other; whatever B sends to anybody else is counted by host. */
function trusted(
  seed: string,
  beacon = true,
): { world: Pair; sent: Map<string, number>; say: (message: PathMessage) => void } {
  const world = pair(seed, { beacon });
  const { internet, a, b } = world;
  a.say(2, 'hello');
  internet.run(2_000);
  assert.equal(a.path(2), 'direct');
  const sent = new Map<string, number>();
  internet.tap = ({ from, to }) => {
    if (from.host === b.local.host && to.host !== BEACON.host)
      sent.set(to.host, (sent.get(to.host) ?? 0) + 1);
  };
  const say = (message: PathMessage): void => {
    a.tunnel.send(2, controlPacket(1, 2, internet.random, encodePathMessage(message)), internet.now);
    a.drain();
  };
  return { world, sent, say };
}

/** Packets of `sent` to hosts that are not A. */
function toOthers(sent: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [host, count] of sent) if (host !== '203.0.113.10') sum += count;
  return sum;
}

test('endpoints of others, told ten times a second, are probed a few times', () => {
  const { world, sent, say } = trusted('told');
  const { internet } = world;
  for (let round = 0; round < 600; round++) {
    const endpoints = Array.from({ length: MAX_TOLD_ENDPOINTS }, (_, i) => ({
      origin: 'observed' as const,
      endpoint: { host: `198.51.${round % 250}.${100 + i}`, port: 53 },
    }));
    internet.at(internet.now + 100 * round, () => say({ ...TOLD, sequence: round, endpoints }));
  }
  internet.run(60_000);
  const count = toOthers(sent);
  assert.ok(count > 0 && count <= 250, `${count} packets`);
});

test('one victim, told again and again, is left alone after a while', () => {
  const { world, sent, say } = trusted('told again');
  const { internet } = world;
  const victim = { origin: 'mapped' as const, endpoint: { host: '198.51.100.99', port: 53 } };
  for (let round = 0; round < 3_000; round++)
    internet.at(internet.now + 100 * round, () => say({ ...TOLD, sequence: round, endpoints: [victim] }));
  internet.run(300_000);
  const count = sent.get('198.51.100.99') ?? 0;
  assert.ok(count > 0 && count <= 6 * (6 + 30) + 6, `${count} packets in five minutes`);
});

test('frames that only pretend to come from others draw little', () => {
  const { world, sent } = trusted('pretended', false);
  const { internet, a, b } = world;
  let spoofed = 0;
  // Everything that A sends to B comes from somebody else.
  internet.filter = (datagram: Datagram) => {
    if (datagram.from.host !== a.local.host || datagram.to.host !== b.local.host) return true;
    const from: Endpoint = { host: `198.51.${spoofed % 200}.7`, port: 1_000 + (spoofed % 60_000) };
    spoofed++;
    internet.at(internet.now + 1, () => b.receive(from, datagram.data, internet.now));
    return false;
  };
  const start: Instant = internet.now;
  for (let i = 0; i < 6_000; i++) {
    internet.at(start + 10 * i, () => {
      a.tunnel.send(2, controlPacket(1, 2, internet.random, new Uint8Array(8)), internet.now);
      a.drain();
    });
  }
  internet.run(60_000);
  assert.ok(spoofed > 5_000);
  const count = toOthers(sent);
  assert.ok(count > 0 && count < 1_000, `${count} packets for ${spoofed}`);
});

test('nobody but the peer names this host: no packet goes there, whatever the plan', () => {
  const { world, sent, say } = trusted('unvouched');
  const { internet } = world;
  const observed = { origin: 'observed' as const, endpoint: { host: '198.51.100.99', port: 53 } };
  const ports = Array.from({ length: MAX_TOLD_PORTS }, (_, i) => 1_000 + i);
  // Told once, so that it is a candidate like any other.
  say({ ...TOLD, endpoints: [observed] });
  internet.run(5_000);
  const before = toOthers(sent);
  let nonce = 1;
  for (const strategy of ['birthday', 'prediction', 'simple'] as const) {
    for (const step of ['begin', 'ready', 'go'] as const) {
      for (let i = 0; i < 10; i++)
        say({ kind: 'punch', sequence: nonce, nonce: nonce++, step, strategy, host: '198.51.100.99', ports });
      internet.run(5_000);
    }
  }
  assert.equal(toOthers(sent), before);
});

test('attempts that the peer begins over and over stay within the budget', () => {
  const { world, sent, say } = trusted('over and over');
  const { internet, a } = world;
  say(TOLD);
  internet.run(500);
  let nonce = 1;
  for (let minute = 0; minute < 59; minute++) {
    for (const strategy of ['birthday', 'prediction'] as const) {
      const host = a.local.host;
      say({ kind: 'punch', sequence: nonce, nonce: nonce++, step: 'go', strategy, host, ports: [1, 2, 3] });
    }
    internet.run(60_000);
  }
  const count = sent.get(a.local.host) ?? 0;
  // The rest are answers, and what keeps the path.
  const most = MAX_ATTEMPTS.birthday * BIRTHDAY_PORTS + MAX_ATTEMPTS.prediction * 3 * 4 + 1_500;
  assert.ok(count > BIRTHDAY_PORTS && count <= most, `${count} packets`);
});

test('an old daemon gets one message, echoes it, and never gets another', () => {
  const internet = new Internet('old');
  const directory = new TestDirectory();
  new TestBeacon(internet, BEACON);
  const ours = new TestNode({
    ...{ internet, directory, node: 1, local: { host: '203.0.113.10', port: 4000 }, beacons: [BEACON] },
  });
  const old = new OldDaemon({
    ...{ internet, directory, node: 2, local: { host: '198.51.100.20', port: 4000 }, beacon: BEACON },
  });
  internet.run(100);
  const messages = (): number => old.pings.filter(isPathMessage).length;
  ours.say(2, 'hello');
  internet.run(3_000);
  assert.equal(messages(), 1);
  assert.equal(ours.tunnel.pathFacts(2, internet.now)?.ours, false);
  for (let i = 0; i < 20; i++) {
    ours.tunnel.setMapped([{ host: '203.0.113.99', port: 5_000 + i }], internet.now);
    ours.drain();
    ours.say(2, `more ${i}`);
    internet.run(10_000);
  }
  assert.equal(messages(), 1);
});
