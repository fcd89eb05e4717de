/** Two or more whole nodes over a perfect link with a directory and a relaying registry, on one virtual clock. */
import type { SigningKey } from '../base/crypto.ts';
import { endpointKey } from '../base/endpoint.ts';
import type { Endpoint, Instant, NodeId } from '../base/units.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { seededRandom } from '../sim/net/seeded-random.ts';
import { Memberships } from './network/memberships.ts';
import { PilotNode } from './node.ts';
import type { NodeOutput } from './node-types.ts';

const crypto = nodeCrypto();
const DELAY = 10;
export const WALL = 1_795_000_000_000;

export class TestNode {
  readonly id: NodeId;
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly publicKey: Uint8Array;
  readonly identity: SigningKey;
  readonly node: PilotNode;
  readonly outputs: NodeOutput[] = [];
  /** Unreachable: datagrams to and from it vanish. */
  down = false;

  readonly memberships = new Memberships({ wall: (now) => WALL + now });

  constructor(id: NodeId, options: { public?: boolean } = {}) {
    this.id = id;
    this.name = `node-${id}`;
    this.endpoint = { host: `198.51.100.${id}`, port: 4000 };
    const random = seededRandom(`node ${id}`);
    const identity = crypto.signingKey(random.bytes(32));
    this.publicKey = identity.publicKey;
    this.identity = identity;
    this.node = new PilotNode({
      crypto,
      random,
      identity,
      beacons: [],
      public: options.public,
      memberships: this.memberships,
      wall: (now) => WALL + now,
    });
  }

  outputsOf<T extends NodeOutput['type']>(type: T): Extract<NodeOutput, { type: T }>[] {
    return this.outputs.filter((output) => output.type === type) as Extract<NodeOutput, { type: T }>[];
  }
}

export class TestNetwork {
  now: Instant = 0;
  readonly nodes: TestNode[];
  readonly pairs = new Set<string>();
  /** Networks that both nodes are in, by pair. */
  readonly shared = new Map<string, number[]>();
  /** Questions about what two nodes share. */
  relationsAsked = 0;
  /** UDP payload that the link carries, and the largest that was sent. */
  mtu = Number.POSITIVE_INFINITY;
  largest = 0;
  /** The directory answers what it is asked. */
  directoryUp = true;
  #queue: { at: Instant; run: () => void }[] = [];

  constructor(nodes: TestNode[]) {
    this.nodes = nodes;
    for (const node of nodes) {
      node.node.setNode(node.id, node.name, 0);
      this.#drain(node);
    }
  }

  #later(run: () => void): void {
    this.#queue.push({ at: this.now + DELAY, run });
  }

  /** Runs one command on a node and carries out what follows. */
  do<T>(node: TestNode, command: (node: PilotNode, now: Instant) => T): T {
    const result = command(node.node, this.now);
    this.#drain(node);
    return result;
  }

  run(duration: number): void {
    const end = this.now + duration;
    for (;;) {
      let next = end;
      for (const { at } of this.#queue) next = Math.min(next, at);
      for (const { node } of this.nodes) next = Math.min(next, node.nextTimeout() ?? end);
      this.now = Math.max(this.now, next);
      if (this.now >= end) return;
      const due = this.#queue.filter(({ at }) => at <= this.now);
      this.#queue = this.#queue.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
      for (const node of this.nodes) {
        if ((node.node.nextTimeout() ?? Number.POSITIVE_INFINITY) <= this.now) {
          node.node.handleTimeout(this.now);
          this.#drain(node);
        }
      }
    }
  }

  #drain(from: TestNode): void {
    for (let output = from.node.poll(); output !== undefined; output = from.node.poll()) {
      from.outputs.push(output);
      this.#carryOut(from, output);
    }
  }

  #carryOut(from: TestNode, output: NodeOutput): void {
    if (output.type === 'transmit') {
      const to = this.nodes.find((node) => endpointKey(node.endpoint) === endpointKey(output.to));
      if (to === undefined || to.down || from.down) return;
      this.largest = Math.max(this.largest, output.data.length);
      if (output.data.length > this.mtu) return;
      this.#later(() => this.do(to, (node, now) => node.handleDatagram(from.endpoint, output.data, now)));
    } else if (output.type === 'query' && output.query.ask === 'relation') {
      this.#answerRelation(from, output.query.peer);
    } else if (output.type === 'query' && output.query.ask !== 'rotations') {
      const peer = this.nodes.find((node) => node.id === output.query.peer);
      const visible = peer !== undefined && this.pairs.has([from.id, peer.id].sort().join());
      this.#later(() =>
        this.do(from, (node, now) =>
          output.query.ask === 'key'
            ? node.answerKey(output.query.peer, peer?.publicKey, now, output.query.claimed)
            : node.answerEndpoints(
                output.query.peer,
                visible ? { endpoint: peer.endpoint, lan: [] } : undefined,
                now,
                'private',
              ),
        ),
      );
    } else if (output.type === 'trust') {
      this.#registry(from, output.output);
    }
  }

  #answerRelation(from: TestNode, peer: NodeId): void {
    this.relationsAsked++;
    if (!this.directoryUp) return;
    this.#later(() => {
      const networks = this.shared.get([from.id, peer].sort().join()) ?? [];
      const shared = networks.map((network) => ({ network, tags: [], role: 'member', since: 0 }));
      this.do(from, (node, now) => node.answerRelation(peer, { shared }, now));
    });
  }

  #registry(from: TestNode, output: Extract<NodeOutput, { type: 'trust' }>['output']): void {
    const timestamp = Math.floor((WALL + this.now) / 1000);
    if (output.type === 'relayRequest') {
      const { target, justification, message } = output;
      const to = this.nodes.find((node) =>
        'node' in target ? node.id === target.node : node.name === target.hostname,
      );
      this.#later(() =>
        this.do(from, (node, now) => node.registryDone('relayRequest', output.requestId, true, now)),
      );
      if (to === undefined) return;
      this.#later(() =>
        this.do(to, (node, now) =>
          node.relayedRequest({ from: from.id, justification, timestamp, message }, now),
        ),
      );
    } else if (output.type === 'relayRespond') {
      const to = this.nodes.find((node) => node.id === output.to);
      if (output.accept) this.pairs.add([from.id, output.to].sort().join());
      this.#later(() =>
        this.do(from, (node, now) => node.registryDone('relayRespond', output.to, true, now)),
      );
      if (to === undefined) return;
      const { accept, message } = output;
      this.#later(() =>
        this.do(to, (node, now) => node.relayedResponse({ from: from.id, accept, timestamp, message }, now)),
      );
    } else if (output.type === 'reportTrust') {
      this.#later(() =>
        this.do(from, (node, now) => node.registryDone('reportTrust', output.peer, true, now)),
      );
    } else if (output.type === 'revokeTrust') {
      this.pairs.delete([from.id, output.peer].sort().join());
      this.#later(() =>
        this.do(from, (node, now) => node.registryDone('revokeTrust', output.peer, true, now)),
      );
    }
  }
}
