import { concat, utf8 } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, NodeId } from '../../base/units.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import {
  encodeDiscover,
  encodePunchCommand,
  encodePunchRequest,
  encodeRelay,
  encodeRelayDeliver,
  encodeSync,
} from '../../wire/beacon.ts';
import { encodeJsonFrame } from '../../wire/registry-frame.ts';
import { encodePila, encodePilp, pilaSignedBytes } from '../../wire/tunnel-frames.ts';
import { between, type Host, type Process, pick } from '../net/index.ts';
import { Impostor } from './impostor.ts';
import type { Machine } from './machine.ts';
import type { PilotWorld } from './pilot-world.ts';

interface Captured {
  readonly destination: Endpoint;
  readonly source: Endpoint;
  readonly data: Uint8Array;
}

const KEPT = 300;
const BURST = 20;

/** Somebody on the internet who sees every datagram, can claim any source, and knows the protocol. */
export class Attacker {
  readonly #pilot: PilotWorld;
  readonly #host: Host;
  readonly #process: Process;
  readonly #random: Random;
  readonly #identity: SigningKey;
  #captured: Captured[] = [];

  constructor(pilot: PilotWorld) {
    const { world } = pilot;
    this.#pilot = pilot;
    this.#host = world.addHost('mallory', world.internet);
    this.#process = this.#host.start();
    this.#random = world.random.fork('attacker');
    this.#identity = world.crypto.signingKey(this.#random.bytes(32));
    world.router.onDatagram((destination, source, data) => {
      if (source.host === this.#host.address) return;
      this.#captured.push({ destination, source, data: data.slice() });
      if (this.#captured.length > 2 * KEPT) this.#captured = this.#captured.slice(-KEPT);
    });
  }

  /** One attack of a random kind. */
  attack(): void {
    const kinds = [
      () => this.#noise(),
      () => this.#replay(),
      () => this.#tamper(),
      () => this.#claimNodes(),
      () => this.#fakeBeacon(),
      () => this.#fakeKeyExchange(),
      () => this.#forgeRequests(),
      () => this.#impersonate(),
      () => this.#impersonate(),
    ];
    pick(this.#random, kinds)();
  }

  /** Random bytes, some behind a known beginning, at endpoints in use. */
  #noise(): void {
    this.#note('noise');
    for (let i = 0; i < BURST; i++) {
      const target = this.#seen();
      if (target === undefined) return;
      const tail = this.#random.bytes(this.#random.below(200));
      const heads = [new Uint8Array(0), utf8('PILS'), utf8('PILA'), Uint8Array.of(1 + this.#random.below(7))];
      this.#later(target.source, target.destination, concat(pick(this.#random, heads), tail));
    }
  }

  /** Datagrams seen before, again from their source or from somewhere else. */
  #replay(): void {
    this.#note('replay');
    for (let i = 0; i < BURST; i++) {
      const seen = this.#seen();
      if (seen !== undefined)
        this.#later(pick(this.#random, [seen.source, this.#self()]), seen.destination, seen.data);
    }
  }

  /** Datagrams seen before with one bit changed or cut short. */
  #tamper(): void {
    this.#note('tampered datagrams');
    for (let i = 0; i < BURST; i++) {
      const seen = this.#seen();
      if (seen === undefined || seen.data.length === 0) continue;
      const data = seen.data.slice(
        0,
        this.#random.below(4) === 0 ? this.#random.below(seen.data.length) : seen.data.length,
      );
      if (data.length > 0) data[this.#random.below(data.length)]! ^= 1 << this.#random.below(8);
      this.#later(seen.source, seen.destination, data);
    }
  }

  /** Other people's node ids at the beacon, under our own address. */
  #claimNodes(): void {
    this.#note('claims node ids at the beacon');
    const { beacon } = this.#pilot.rendezvous;
    for (const node of this.#nodes()) {
      this.#later(this.#self(), beacon, encodeDiscover(node));
      const other = pick(this.#random, this.#nodes());
      this.#later(this.#self(), beacon, encodePunchRequest(node, other));
      this.#later(this.#self(), beacon, encodeRelay(other, node, this.#seen()?.data ?? encodePilp()));
      this.#later(this.#self(), beacon, encodeSync(7, this.#nodes()));
    }
  }

  /** Beacon messages under the beacon's address. */
  #fakeBeacon(): void {
    this.#note('speaks as the beacon');
    const { beacon } = this.#pilot.rendezvous;
    for (let i = 0; i < BURST; i++) {
      const victim = this.#captured.findLast((seen) => seen.destination.port === beacon.port)?.source;
      if (victim === undefined) return;
      const frame = this.#seen()?.data ?? encodePilp();
      const messages = [
        encodePunchCommand(this.#self()),
        encodePunchCommand({ host: this.#host.address, port: 1 + this.#random.below(65_535) }),
        encodeRelayDeliver(pick(this.#random, this.#nodes()), frame),
      ];
      this.#later(beacon, victim, pick(this.#random, messages));
    }
  }

  /** Key exchanges in the names of others, well signed by the wrong identity, and with keys that were never made. */
  #fakeKeyExchange(): void {
    this.#note('key exchanges in the names of others');
    for (let i = 0; i < BURST; i++) {
      const target = this.#seen();
      if (target === undefined) return;
      const node = pick(this.#random, this.#nodes());
      const x25519 = this.#random.bytes(32);
      const signature = this.#identity.sign(pilaSignedBytes(node, x25519));
      const pila = encodePila({ node, x25519, ed25519: this.#identity.publicKey, signature });
      this.#later(pick(this.#random, [target.source, this.#self()]), target.destination, pila);
    }
  }

  /** Requests to the registry in the names of others, unsigned or with signatures of our own. */
  #forgeRequests(): void {
    this.#note('forged requests to the registry');
    const [a, b] = [pick(this.#random, this.#nodes()), pick(this.#random, this.#nodes())];
    const signature = Buffer.from(this.#identity.sign(this.#random.bytes(20))).toString('base64');
    const key = Buffer.from(this.#identity.publicKey).toString('base64');
    const forged: object[] = [
      { type: 'request_handshake', from_node_id: a, to_node_id: b, justification: 'forged' },
      { type: 'request_handshake', from_node_id: a, to_node_id: b, justification: 'forged', signature },
      { type: 'respond_handshake', node_id: a, peer_id: b, accept: true },
      { type: 'respond_handshake', node_id: a, peer_id: b, accept: true, signature },
      { type: 'poll_handshakes', node_id: a },
      { type: 'poll_handshakes', node_id: a, signature },
      { type: 'report_trust', node_id: a, peer_id: b },
      { type: 'revoke_trust', node_id: a, peer_id: b },
      { type: 'revoke_trust', node_id: a, peer_id: b, signature },
      { type: 'deregister', node_id: a },
      { type: 'deregister', node_id: a, signature },
      { type: 'set_hostname', node_id: a, hostname: 'stolen' },
      { type: 'set_visibility', node_id: a, public: true },
      { type: 'heartbeat', node_id: a },
      { type: 'register', public_key: key, owner: 'node-a', listen_addr: '1.2.3.4:5', hostname: 'node-a' },
      { type: 'rotate_key', node_id: a, new_public_key: key },
      { type: 'resolve', node_id: a, requester_id: b },
    ];
    this.#pilot.launch('forged requests', this.#process, async () => {
      const { clock, net } = this.#process;
      const pipe = await net.connect(this.#pilot.rendezvous.registry);
      pipe.onData(() => {});
      for (const request of forged) {
        pipe.write(encodeJsonFrame(request));
        await clock.sleep(between(this.#random, 1, 50));
      }
      pipe.write(this.#random.bytes(50));
      pipe.end();
    });
  }

  /** A whole tunnel under a stolen id, or under an id of its own with stolen names inside. */
  #impersonate(): void {
    const target = pick(this.#random, this.#pilot.machines);
    const friend = pick(this.#random, this.#pilot.machines);
    if (friend === target) return;
    const own = this.#random.below(2) === 0;
    this.#note(
      `talks to ${target.name} as ${friend.name}, ${own ? 'inside its own tunnel' : 'with a tunnel in that name'}`,
    );
    this.#pilot.launch('impersonation', this.#process, async () => {
      const impostor = own
        ? await Impostor.stranger(this.#pilot, this.#host, this.#identity)
        : await Impostor.thief(this.#pilot, this.#host, this.#forgedIdentity(friend), friend.node);
      await impostor.attack(target, friend.node);
    });
  }

  /** Our own identity, or the victim's public key over our signatures. */
  #forgedIdentity(victim: Machine): SigningKey {
    const key = victim.daemon === undefined ? undefined : decodeBase64(victim.daemon.info().public_key);
    if (key === undefined || this.#random.below(2) === 0) return this.#identity;
    return { publicKey: key, sign: (message) => this.#identity.sign(message) };
  }

  #nodes(): NodeId[] {
    return this.#pilot.machines.map((machine) => machine.node);
  }

  #self(): Endpoint {
    return { host: this.#host.address, port: 4444 };
  }

  #seen(): Captured | undefined {
    return this.#captured.length === 0 ? undefined : pick(this.#random, this.#captured);
  }

  #later(source: Endpoint, destination: Endpoint, data: Uint8Array): void {
    const { world } = this.#pilot;
    world.schedule(world.now + between(this.#random, 0, 2_000), () =>
      world.inject(source, destination, data),
    );
  }

  #note(what: string): void {
    this.#pilot.note(`the attacker: ${what}`);
  }
}
