/** Our side of registrations against several real beacons, each at its own distance, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointKey } from '../../base/endpoint.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import { decodeBeaconMessage, encodeRelay } from '../../wire/beacon.ts';
import { Relay } from '../relay/relay.ts';
import { ranked, registrationAt } from './beacon-registration.ts';
import { Beacons } from './beacons.ts';
import { crypto, identityOf, seeded } from './tunnel.testkit.ts';

const NODE: NodeId = 7;
const SOURCE: Endpoint = { host: '198.51.100.7', port: 41_000 };

interface Site {
  readonly at: Endpoint;
  readonly relay: Relay;
  delay: Millis;
  alive: boolean;
  /** Datagrams that came from us. */
  heard: number;
}

/** One node of ours and beacons around it. The world lets through from the second port only what was asked for there. */
class Sky {
  readonly sites: Site[];
  readonly beacons: Beacons;
  readonly events: string[] = [];
  readonly late: number[] = [];
  /** Opened and closed for tests of the filter. */
  readonly sockets: number[] = [];
  readonly closed: number[] = [];
  changes = 0;
  now: Instant = 0;
  source = SOURCE;
  #mail: { readonly at: Instant; readonly run: () => void }[] = [];

  constructor(delays: readonly Millis[], ours = delays.length) {
    this.sites = delays.map((delay, index) => ({
      at: { host: `203.0.113.${index + 1}`, port: 9001 },
      relay: new Relay({
        crypto,
        random: seeded(`beacon ${index}`),
        config: { alternatePort: 9003 },
      }),
      delay,
      alive: true,
      heard: 0,
    }));
    this.beacons = new Beacons({
      random: seeded('several'),
      identity: identityOf(NODE),
      every: 8_000,
      transmit: (to, data, via = 0) => this.#out(to, data, via),
      event: ({ name }) => this.events.push(name),
      changed: () => this.changes++,
      late: (_beacon, via) => this.late.push(via),
      sockets: {
        open: () => {
          this.sockets.push(100 + this.sockets.length);
          return this.sockets.at(-1);
        },
        close: (via) => {
          this.closed.push(via);
          this.beacons.forgetSocket(via);
        },
      },
    });
    this.beacons.setNode(NODE);
    this.beacons.set(this.endpoints().slice(0, ours), 0);
  }

  endpoints(): Endpoint[] {
    return this.sites.map(({ at }) => at);
  }

  entry(site: number): ReturnType<Relay['entries']>[number] | undefined {
    return this.sites[site]!.relay.entries().find(({ node }) => node === NODE);
  }

  run(length: Millis): void {
    const end = this.now + length;
    for (;;) {
      // The sort is stable: what was sent first at the same instant comes first.
      const mail = [...this.#mail].sort((a, b) => a.at - b.at)[0];
      const timers = this.sites.map(({ relay }) => relay.nextTimeout() ?? Number.POSITIVE_INFINITY);
      const next = Math.min(mail?.at ?? Number.POSITIVE_INFINITY, this.beacons.nextTimeout(), ...timers);
      if (next > end) break;
      this.now = Math.max(this.now, next);
      if (mail !== undefined && mail.at <= this.now) {
        this.#mail = this.#mail.filter((one) => one !== mail);
        mail.run();
      }
      this.beacons.handleTimeout(this.now);
      for (const site of this.sites) {
        site.relay.handleTimeout(this.now);
        this.#drain(site);
      }
    }
    this.now = end;
  }

  #out(to: Endpoint, data: Uint8Array, via: number): void {
    const site = this.sites.find(({ at }) => at.host === to.host);
    if (site === undefined) return;
    const from = via === 0 ? this.source : { ...this.source, port: this.source.port + via };
    this.#post(site.delay, () => {
      if (!site.alive) return;
      site.heard++;
      site.relay.handleDatagram(from, data.slice(), this.now, to.port === 9003);
      this.#drain(site);
    });
  }

  #drain(site: Site): void {
    for (let output = site.relay.poll(); output !== undefined; output = site.relay.poll()) {
      if (output.type === 'needKey') {
        site.relay.identityKey(output.node, identityOf(output.node).publicKey, this.now, output.claimed);
        continue;
      }
      if (output.type !== 'transmit' || output.to.host !== this.source.host) continue;
      const { data, to, alternate } = output;
      const from = { ...site.at, port: alternate === true ? 9003 : 9001 };
      const via = to.port - this.source.port;
      if (via < 0) continue;
      const copy = data.slice();
      this.#post(site.delay, () => {
        if (!site.alive) return;
        const message = decodeBeaconMessage(copy);
        if (typeof message !== 'string' && message.type === 'discoverReply')
          this.beacons.discoverReply(from, message, this.now, via);
      });
    }
  }

  #post(delay: Millis, run: () => void): void {
    this.#mail.push({ at: this.now + delay, run });
  }
}

test('registers with proof at up to four beacons, prefers the nearest, and only measures the rest', () => {
  const sky = new Sky([80, 40, 60, 10, 90, 20]);
  sky.run(3_000);
  const [first, second, third, fourth, fifth, sixth] = sky.endpoints();
  assert.deepEqual(sky.beacons.usable(), [fourth, sixth, second, first]);
  assert.deepEqual(sky.beacons.homes(), [fourth, sixth, second, first]);
  for (const site of [0, 1, 3, 5]) assert.equal(sky.entry(site)?.proven, true, `${site}`);
  const rtts = sky.beacons.facts().map(({ rtt }) => Math.round(rtt ?? -1));
  assert.deepEqual(rtts, [160, 80, 120, 20, 180, 40]);
  assert.ok(third !== undefined && fifth !== undefined);
  // The first of the list stays although others are nearer: old peers know no other.
  const before = sky.sites.map(({ heard }) => heard);
  sky.run(120_000);
  const each = sky.sites.map(({ heard }, index) => heard - before[index]!);
  assert.ok(each[3]! >= 13 && each[3]! <= 17, `${each}`);
  for (const site of [0, 1, 5]) assert.ok(each[site]! >= 5 && each[site]! <= 7, `${each}`);
  for (const site of [2, 4]) assert.ok(each[site]! <= 1, `${each}`);
});

test('a slightly faster beacon does not take over, a clearly faster one does', () => {
  const sky = new Sky([30, 40]);
  sky.run(2_000);
  const [one, two] = sky.endpoints();
  sky.sites[1]!.delay = 26;
  sky.run(300_000);
  assert.deepEqual(sky.beacons.usable(), [one, two]);
  sky.sites[1]!.delay = 10;
  sky.run(300_000);
  assert.deepEqual(sky.beacons.usable(), [two, one]);
});

test('of two ways alike the one over IPv4 is the best, a clearly faster one over IPv6 is', () => {
  const [four, six] = ['192.0.2.1', '2001:db8::1'].map((host) => registrationAt({ host, port: 9001 }, 0));
  const best = (fourRtt: number, sixRtt: number, before?: typeof four) => {
    four!.rtt = fourRtt;
    six!.rtt = sixRtt;
    return ranked([six!, four!], before?.endpoint)[0];
  };
  assert.equal(best(30, 29), four);
  assert.equal(best(30, 29, six), four);
  assert.equal(best(60, 20), six);
  assert.equal(best(60, 20, four), six);
  assert.equal(best(60, 20, six), six);
});

test('when the best beacon dies and somebody notices, another takes its place within three seconds', () => {
  const sky = new Sky([10, 30, 50, 70, 20]);
  sky.run(5_000);
  const [one, two, , , five] = sky.endpoints();
  assert.deepEqual(sky.beacons.usable()[0], one);
  const changes = sky.changes;
  sky.sites[0]!.alive = false;
  sky.run(2_000);
  sky.beacons.refresh(sky.now);
  sky.run(3_000);
  assert.deepEqual(sky.beacons.usable().slice(0, 2), [five, two]);
  assert.ok(!sky.beacons.homes().some((home) => endpointKey(home) === endpointKey(one!)));
  assert.equal(sky.events.filter((name) => name === 'beacon.lost').length, 1);
  assert.ok(sky.changes > changes);
  // A beacon that was only measured is registered at now.
  sky.run(1_000);
  assert.equal(sky.entry(3)?.proven, true);
  sky.sites[0]!.alive = true;
  sky.run(300_000);
  assert.deepEqual(sky.beacons.usable()[0], one);
  assert.equal(sky.entry(0)?.proven, true);
});

test('a beacon that never answers costs less and less while another does', () => {
  const sky = new Sky([10, 10]);
  sky.sites[1]!.alive = false;
  sky.run(60_000);
  let asked = 0;
  const inner = sky.beacons.observations().find(({ beacon }) => beacon.host === sky.sites[1]!.at.host);
  asked = inner?.unanswered ?? 0;
  sky.run(600_000);
  const later = sky.beacons.observations().find(({ beacon }) => beacon.host === sky.sites[1]!.at.host);
  assert.ok((later?.unanswered ?? 0) - asked <= 7, `${asked} then ${later?.unanswered}`);
});

test('while no beacon answers all are asked often, and everything is back soon after they return', () => {
  const sky = new Sky([10, 10]);
  sky.run(1_000);
  for (const site of sky.sites) site.alive = false;
  sky.run(40_000);
  assert.ok(sky.beacons.homes().length > 0, 'what the registry was told stays');
  for (const site of sky.sites) site.alive = true;
  sky.run(2_500);
  assert.equal(sky.beacons.facts().filter(({ usable }) => usable).length, 2);
});

test('with a peer elsewhere we register at its beacon, with proof, for as long as it is used', () => {
  const sky = new Sky([10, 30, 50], 1);
  sky.run(1_000);
  const [own, theirs, other] = sky.endpoints();
  assert.deepEqual(sky.beacons.relaysFor([], sky.now, true), [own]);
  assert.deepEqual(sky.beacons.relaysFor([own!, theirs!], sky.now, true), [own]);
  assert.deepEqual(sky.beacons.relaysFor([theirs!, other!], sky.now, false), [own]);
  assert.deepEqual(sky.beacons.relaysFor([theirs!, other!], sky.now, true), [theirs, other, own]);
  // A frame that is sent right behind is relayed already: the registration was first.
  sky.run(31);
  const relay = sky.sites[1]!.relay;
  relay.handleDatagram(sky.source, encodeRelay(NODE, NODE, new Uint8Array(4)), sky.now);
  assert.equal(relay.stats().relayedFrames, 1);
  sky.run(200);
  assert.deepEqual([sky.entry(1)?.proven, sky.entry(2)?.proven], [true, true]);
  for (let minute = 0; minute < 30; minute++) {
    sky.run(60_000);
    sky.beacons.used(theirs!, sky.now);
  }
  assert.ok(sky.beacons.has(theirs!));
  assert.ok(!sky.beacons.has(other!), 'not used for half an hour');
  assert.deepEqual(sky.beacons.homes(), [own], 'a visit is not a home');
});

test('attack: peers can name any number of beacons; few are asked, seldom, and never with a proof for another', () => {
  const sky = new Sky([10, 10], 1);
  sky.run(1_000);
  for (let peer = 0; peer < 1_000; peer++) {
    const victims = [0, 1, 2, 3].map((at) => ({
      host: `192.0.2.${(4 * peer + at) % 250}`,
      port: 53 + peer,
    }));
    sky.beacons.relaysFor(victims, sky.now, true);
  }
  const visited = sky.beacons.observations().filter(({ beacon }) => beacon.host.startsWith('192.0.2.'));
  assert.equal(visited.length, 16);
  sky.run(600_000);
  const packets = sky.beacons
    .observations()
    .filter(({ beacon }) => beacon.host.startsWith('192.0.2.'))
    .reduce((sum, { unanswered }) => sum + unanswered, 0);
  assert.ok(packets <= 16 * 8, `${packets}`);
});

test('attack: a beacon that shows the mark and challenge of another gets no proof for it', () => {
  const sky = new Sky([10, 10], 1);
  sky.run(1_000);
  const [, liar] = sky.endpoints();
  const proofs: unknown[] = [];
  const beacons = new Beacons({
    random: seeded('visitor'),
    identity: identityOf(NODE),
    every: 8_000,
    transmit: (to, data) => {
      const message = decodeBeaconMessage(data);
      if (typeof message === 'string' || message.type !== 'discover') return;
      if (message.proof !== undefined) proofs.push(to.host);
      const answer = { elsewhere: false, settled: false, alternatePort: 0, mark: new Uint8Array(8).fill(5) };
      const token = message.question!.token;
      queue.push(() =>
        beacons.discoverReply(
          to,
          {
            type: 'discoverReply',
            endpoint: SOURCE,
            challenge: new Uint8Array(16).fill(1),
            answer: { ...answer, token },
          },
          10,
        ),
      );
    },
    event: () => {},
  });
  const queue: (() => void)[] = [];
  const drain = (): void => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) next();
  };
  beacons.setNode(NODE);
  beacons.set([sky.endpoints()[0]!], 0);
  beacons.handleTimeout(0);
  drain();
  assert.deepEqual(proofs, [sky.endpoints()[0]!.host]);
  beacons.relaysFor([liar!], 10, true);
  drain();
  assert.deepEqual(proofs, [sky.endpoints()[0]!.host]);
});

test('learns by itself how its socket looks from the second port, and whether that may answer unasked', () => {
  const sky = new Sky([10]);
  sky.run(5_000);
  const seen = sky.beacons.observations().map(({ alternate, unsolicited, endpoint, unanswered }) => ({
    alternate,
    unsolicited,
    port: endpoint?.port,
    unanswered,
  }));
  const port = SOURCE.port;
  assert.deepEqual(
    seen.sort(
      (a, b) => Number(a.alternate) - Number(b.alternate) || Number(a.unsolicited) - Number(b.unsolicited),
    ),
    [
      { alternate: false, unsolicited: false, port, unanswered: 0 },
      { alternate: false, unsolicited: true, port: port + 100, unanswered: 0 },
      { alternate: true, unsolicited: false, port, unanswered: 0 },
    ],
  );
  // The filter was tested by a socket that is closed by now.
  assert.deepEqual([sky.sockets, sky.closed], [[100], [100]]);
  // Another endpoint: asked again.
  const before = sky.sites[0]!.heard;
  sky.source = { ...SOURCE, port: 42_000 };
  sky.run(30_000);
  assert.ok(sky.sites[0]!.heard - before >= 8);
  // A beacon that is left in the middle of it leaves no socket open.
  sky.source = { ...SOURCE, port: 43_000 };
  sky.beacons.refresh(sky.now);
  sky.run(200);
  sky.beacons.set([], sky.now);
  assert.deepEqual(sky.closed, sky.sockets);
});

test('an answer asked for later comes on the socket it was asked from, and says so', () => {
  const sky = new Sky([10]);
  sky.run(1_000);
  assert.ok(sky.beacons.askLate(5, 30, sky.now));
  sky.run(29_000);
  assert.deepEqual(sky.late, []);
  sky.run(2_000);
  assert.deepEqual(sky.late, [5]);
});
