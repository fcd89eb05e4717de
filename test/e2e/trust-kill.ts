/**
 * Kills a registry and daemons with SIGKILL at random moments while pairs of nodes ask, approve, narrow and withdraw,
 * and checks in the end that both ends and the registry agree on every pair:
 * `node dist/test/e2e/trust-kill.js --changes 10000`.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { asPilotError } from '../../src/api/errors.ts';
import { nodeClock, nodeCrypto, nodeLog, nodeNet } from '../../src/platform/index.ts';
import { openEmbeddedStore } from '../../src/registry/index.ts';
import { PilotClient } from '../../src/sdk/client.ts';
import { firstLine, killChild, pause, scriptBeside, startChild } from './children.testkit.ts';
import { freePort } from './pilotctl.ts';

export interface TrustKillReport {
  /** Acknowledged to a user. */
  readonly changes: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** Of which nobody can say whether they happened: the daemon died meanwhile. */
  readonly unknown: number;
  readonly kills: { readonly registry: number; readonly daemons: number };
  /** From the last restart until every pair agreed. */
  readonly agreedAfterMs: number;
  readonly trustedPairs: number;
  readonly seconds: number;
}

const CHILD = scriptBeside(import.meta.url, 'trust-kill-child');
const DAEMONS = 6;
const AGREE_LIMIT = 90_000;
const PORTS = ['*', '80', '80,1001', '1001,7000-7010'] as const;

/** Rejects with what the ends and the registry disagree on. */
export async function trustKill(changes: number): Promise<TrustKillReport> {
  const directory = mkdtempSync(join(tmpdir(), 'pilot-trust-kill-'));
  const startedAt = Date.now();
  const stage = new Stage(directory, await freePort(), await freePort());
  try {
    await stage.start();
    const tally = new Tally(changes);
    const killing = stage.killUntil(() => tally.isDone);
    const pairs = stage.nodes.flatMap((a, i) => stage.nodes.slice(i + 1).map((b): [Node, Node] => [a, b]));
    await Promise.all(pairs.map((pair) => couple(pair, tally)));
    await killing;
    const healedAt = Date.now();
    await stage.everythingUp();
    await stage.agree(pairs);
    const agreedAfterMs = Date.now() - healedAt;
    const trustedPairs = await stage.agreeWithRegistry(pairs);
    return {
      changes: tally.changes,
      byKind: tally.byKind,
      unknown: tally.unknown,
      kills: stage.kills,
      agreedAfterMs,
      trustedPairs,
      seconds: Math.round((Date.now() - startedAt) / 1000),
    };
  } finally {
    stage.end();
    await pause(100);
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  }
}

class Tally {
  readonly byKind: Record<string, number> = {};
  changes = 0;
  unknown = 0;
  readonly #wanted: number;

  constructor(wanted: number) {
    this.#wanted = wanted;
  }

  get isDone(): boolean {
    return this.changes >= this.#wanted;
  }

  /** Runs one change; false when it failed, or nobody knows. */
  async count(kind: string, change: Promise<unknown>): Promise<boolean> {
    try {
      await change;
    } catch (thrown) {
      const { code } = asPilotError(thrown);
      if (code === 'internal') throw thrown;
      if (code === 'connection_failed' || code === 'not_running' || code === 'cancelled') this.unknown++;
      return false;
    }
    this.changes++;
    this.byKind[kind] = (this.byKind[kind] ?? 0) + 1;
    return true;
  }
}

/** One daemon, whichever process it is at the moment, and a client of it. */
class Node {
  readonly home: string;
  id = 0;
  child: ChildProcess | undefined;
  #client: PilotClient | undefined;

  constructor(home: string) {
    this.home = home;
    mkdirSync(home, { recursive: true, mode: 0o700 });
  }

  /** Errors: `not_running`. */
  async client(): Promise<PilotClient> {
    if (this.#client !== undefined) return this.#client;
    const client = await PilotClient.connect({
      net: nodeNet(),
      clock: nodeClock(),
      crypto: nodeCrypto(),
      socketPath: join(this.home, 'pilot.sock'),
    });
    client.ipc.onClose(() => {
      if (this.#client === client) this.#client = undefined;
    });
    this.#client = client;
    return client;
  }

  close(): void {
    this.#client?.close();
  }

  /** What this end holds about each peer, comparable with the other end's. */
  async trusted(): Promise<Map<number, string>> {
    const rows = await (await this.client()).trusted();
    return new Map(rows.map(({ node_id, serial, expires_at }) => [node_id, `${serial} ${expires_at ?? ''}`]));
  }
}

/** Two users who now trust each other and now do not. */
async function couple([a, b]: [Node, Node], tally: Tally): Promise<void> {
  while (!tally.isDone) {
    const [asker, other] = Math.random() < 0.5 ? [a, b] : [b, a];
    try {
      const client = await asker.client();
      const isTrusted = (await client.trusted()).some((row) => row.node_id === other.id);
      if (isTrusted && Math.random() < 0.5) {
        await tally.count('untrust', client.untrust(String(other.id)));
      } else {
        const ports = PORTS[Math.floor(Math.random() * PORTS.length)]!;
        const terms = { give: { ports }, get: { ports } };
        const target = String(other.id);
        if (!(await tally.count(isTrusted ? 'change' : 'ask', client.handshake(target, 'kill', { terms }))))
          continue;
        await approveWhenAsked(other, asker.id, tally);
      }
    } catch (thrown) {
      if (asPilotError(thrown).code === 'internal') throw thrown;
    }
    await pause(Math.random() * 30);
  }
}

async function approveWhenAsked(node: Node, asker: number, tally: Tally): Promise<void> {
  for (let i = 0; i < 40 && !tally.isDone; i++) {
    const client = await node.client();
    const isAsked = (await client.pending()).some((row) => row.node_id === asker);
    if (isAsked) {
      await tally.count('approve', client.approve(String(asker)));
      return;
    }
    await pause(25);
  }
}

class Stage {
  readonly nodes: readonly Node[];
  readonly kills = { registry: 0, daemons: 0 };
  readonly #directory: string;
  readonly #ports: readonly string[];
  #registry: ChildProcess | undefined;
  #fingerprint = '';

  constructor(directory: string, registryPort: number, beaconPort: number) {
    this.#directory = join(directory, 'rendezvous');
    mkdirSync(this.#directory);
    this.#ports = [String(registryPort), String(beaconPort)];
    this.nodes = Array.from({ length: DAEMONS }, (_, i) => new Node(join(directory, `node-${i}`)));
  }

  async start(): Promise<void> {
    await this.#startRegistry();
    await Promise.all(this.nodes.map((node) => this.#startDaemon(node)));
    for (const node of this.nodes) node.id = (await (await node.client()).info()).node_id;
  }

  /** Something dies every now and then, and comes back. */
  async killUntil(isDone: () => boolean): Promise<void> {
    const comingBack: Promise<void>[] = [];
    while (!isDone()) {
      await pause(300 + Math.random() * 900);
      if (Math.random() < 0.3) {
        await killChild(this.#registry);
        this.kills.registry++;
        await pause(Math.random() * 300);
        await this.#startRegistry();
        continue;
      }
      const node = this.nodes[Math.floor(Math.random() * this.nodes.length)]!;
      if (node.child === undefined) continue;
      const doomed = node.child;
      node.child = undefined;
      await killChild(doomed);
      this.kills.daemons++;
      comingBack.push(pause(Math.random() * 300).then(() => this.#startDaemon(node)));
    }
    await Promise.all(comingBack);
  }

  async everythingUp(): Promise<void> {
    for (let i = 0; i < 300; i++) {
      const infos = await Promise.allSettled(this.nodes.map(async (node) => (await node.client()).info()));
      if (infos.every((info) => info.status === 'fulfilled' && info.value.registered)) return;
      await pause(100);
    }
    throw new Error('not every daemon came back');
  }

  async agree(pairs: readonly [Node, Node][]): Promise<void> {
    const until = Date.now() + AGREE_LIMIT;
    for (;;) {
      const apart = await this.#disagreements(pairs);
      if (apart.length === 0) return;
      if (Date.now() > until) throw new Error(`the two ends do not agree:\n${apart.join('\n')}`);
      await pause(200);
    }
  }

  /** Looks into the registry's store itself, once the daemons had time to tell it. Returns how many pairs it holds. */
  async agreeWithRegistry(pairs: readonly [Node, Node][]): Promise<number> {
    const until = Date.now() + AGREE_LIMIT;
    for (;;) {
      const held = await Promise.all(this.nodes.map((node) => node.trusted()));
      await killChild(this.#registry);
      const log = nodeLog({ level: 'error', stream: process.stderr });
      const store = await openEmbeddedStore({
        path: join(this.#directory, 'registry.db'),
        clock: nodeClock(),
        log,
      });
      const apart: string[] = [];
      let count = 0;
      for (const [a, b] of pairs) {
        const isHeld = held[this.nodes.indexOf(a)]!.has(b.id);
        const isPaired = await store.trusted(a.id, b.id, Date.now());
        if (isPaired) count++;
        if (isHeld !== isPaired)
          apart.push(`${a.id} and ${b.id}: the ends say ${isHeld}, the registry ${isPaired}`);
      }
      await store.close();
      if (apart.length === 0) return count;
      if (Date.now() > until) throw new Error(apart.join('\n'));
      await this.#startRegistry();
      await this.everythingUp();
      await pause(3_000);
    }
  }

  end(): void {
    for (const node of this.nodes) {
      node.close();
      node.child?.kill('SIGKILL');
    }
    this.#registry?.kill('SIGKILL');
  }

  async #disagreements(pairs: readonly [Node, Node][]): Promise<string[]> {
    const held = await Promise.all(this.nodes.map((node) => node.trusted()));
    return pairs.flatMap(([a, b]) => {
      const [one, other] = [
        held[this.nodes.indexOf(a)]!.get(b.id) ?? 'none',
        held[this.nodes.indexOf(b)]!.get(a.id) ?? 'none',
      ];
      return one === other ? [] : [`${a.id} holds ${one}, ${b.id} holds ${other}`];
    });
  }

  async #startRegistry(): Promise<void> {
    const child = startChild(CHILD, ['rendezvous', this.#directory, ...this.#ports]);
    this.#fingerprint = await firstLine(child);
    this.#registry = child;
  }

  async #startDaemon(node: Node): Promise<void> {
    const child = startChild(CHILD, ['daemon', node.home, ...this.#ports, this.#fingerprint]);
    await firstLine(child);
    node.child = child;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { changes: { type: 'string', default: '300' } } });
  console.log(JSON.stringify(await trustKill(Number(values.changes)), null, 2));
}
