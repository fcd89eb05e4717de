/** Who is attacked: a rendezvous and two daemons that trust each other, as real processes on loopback. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseHostPort } from '../../src/base/endpoint.ts';
import type { Endpoint } from '../../src/base/units.ts';
import { nodeClock, nodeCrypto, nodeNet } from '../../src/platform/index.ts';
import { PilotClient } from '../../src/sdk/client.ts';
import { eventually, type Node, Sandbox } from './pilotctl.ts';

export interface VictimOptions {
  /** Both daemons use nothing but the relay. */
  readonly relayOnly?: boolean;
  /** Puts something between the daemons and the beacon; returns where the daemons find it. */
  readonly interpose?: (beacon: Endpoint) => Promise<Endpoint>;
  /** Called before anything starts, with the homes of the rendezvous and the two nodes. */
  readonly prepare?: (homes: { rendezvous: string; a: string; b: string }) => void;
}

/** One daemon under attack, with a program connected to it. */
export interface Victim {
  readonly node: Node;
  readonly client: PilotClient;
  readonly id: number;
  /** Where its tunnel socket is. */
  readonly endpoint: Endpoint;
  /** Base64. */
  readonly publicKey: string;
}

export class Victims {
  readonly sandbox: Sandbox;
  readonly rendezvous: Node;
  readonly registry: Endpoint;
  readonly beacon: Endpoint;
  a: Victim;
  b: Victim;
  readonly #flags: ReadonlyMap<Node, readonly string[]>;

  static async open(options: VictimOptions = {}): Promise<Victims> {
    const sandbox = await Sandbox.open();
    try {
      const rendezvous = sandbox.node('rendezvous');
      const [nodeA, nodeB] = [sandbox.node('victim-a'), sandbox.node('victim-b')];
      options.prepare?.({ rendezvous: rendezvous.home, a: nodeA.home, b: nodeB.home });
      const served = await rendezvous.data<{ registry: string; beacon: string; fingerprint: string }>([
        'rendezvous',
        'start',
        '--registry-addr=127.0.0.1:0',
        '--beacon-addr=127.0.0.1:0',
      ]);
      const beacon = parseHostPort(served.beacon)!;
      const seen = options.interpose === undefined ? beacon : await options.interpose(beacon);
      const flags = (name: string): string[] => [
        `--registry=${served.registry}`,
        `--fingerprint=${served.fingerprint}`,
        `--beacon=${seen.host}:${seen.port}`,
        `--hostname=${name}`,
      ];
      const started = new Map([
        [nodeA, flags('victim-a')],
        [nodeB, flags('victim-b')],
      ]);
      for (const node of started.keys()) {
        if (options.relayOnly === true) await node.data(['config', '--set', 'relay_only=true']);
      }
      const starting = [...started].map(([node, given]) => startVictim(node, given));
      // When one fails, the other must not be left behind half started.
      await Promise.allSettled(starting);
      const [a, b] = await Promise.all(starting);
      const victims = new Victims(
        sandbox,
        rendezvous,
        parseHostPort(served.registry)!,
        beacon,
        a!,
        b!,
        started,
      );
      await victims.#trustEachOther();
      return victims;
    } catch (error) {
      // What failed matters more than what can't be cleared away.
      await sandbox.close().catch(() => {});
      throw error;
    }
  }

  private constructor(
    sandbox: Sandbox,
    rendezvous: Node,
    registry: Endpoint,
    beacon: Endpoint,
    a: Victim,
    b: Victim,
    flags: ReadonlyMap<Node, readonly string[]>,
  ) {
    this.sandbox = sandbox;
    this.rendezvous = rendezvous;
    this.registry = registry;
    this.beacon = beacon;
    this.a = a;
    this.b = b;
    this.#flags = flags;
  }

  /** Kills a daemon as a power cut would. */
  async kill(which: 'a' | 'b'): Promise<void> {
    const { node, client } = this[which];
    client.close();
    process.kill(node.pid, 'SIGKILL');
    await eventually(async () => assert.equal((await node.data(['daemon', 'status'])).running, false));
  }

  /** Starts a daemon that was killed, as it was started before. */
  async restart(which: 'a' | 'b'): Promise<void> {
    const { node } = this[which];
    this[which] = await startVictim(node, this.#flags.get(node)!);
  }

  /** Both directions answer, the registry finds names, a message is stored, and trust is what it was. */
  async assertFine(): Promise<void> {
    const { a, b } = this;
    for (const [from, to, name] of [
      [a, b, 'victim-b'],
      [b, a, 'victim-a'],
    ] as const) {
      const pinged = await from.client.pingOnce(name, { timeout: 5_000 });
      assert.ok(pinged.rtt_ms >= 0);
      assert.equal((await from.client.find(name)).node_id, to.id);
      const sent = await from.client.sendMessage(name, { type: 'text', data: Buffer.from('still here') });
      assert.match(sent.ack, /^ACK TEXT 10 bytes/);
      assert.deepEqual(
        (await from.client.trusted()).map((row) => row.node_id),
        [to.id],
      );
    }
  }

  /** How often the daemon has dropped something for this reason. */
  async drops(victim: Victim, reason: string): Promise<number> {
    return (await victim.client.info()).drops?.[reason] ?? 0;
  }

  /** Runs an attack and waits until the daemon has counted at least `count` more drops for the reason. */
  async assertDropped(victim: Victim, reason: string, attack: () => unknown, count = 1): Promise<void> {
    const before = await this.drops(victim, reason);
    await attack();
    await eventually(async () => {
      const info = await victim.client.info();
      const after = info.drops?.[reason] ?? 0;
      assert.ok(after >= before + count, `${reason}: ${before} -> ${after}: ${JSON.stringify(info.drops)}`);
    }, 5_000);
  }

  /** Megabytes in memory of the daemons and the rendezvous. */
  memory(): { a: number; b: number; rendezvous: number } {
    return {
      a: residentMegabytes(this.a.node.pid),
      b: residentMegabytes(this.b.node.pid),
      rendezvous: residentMegabytes(
        Number(readFileSync(join(this.rendezvous.home, 'rendezvous.pid'), 'utf8')),
      ),
    };
  }

  /** Ends all processes; their homes stay. */
  killAll(): void {
    this.a.client.close();
    this.b.client.close();
    for (const file of [
      join(this.a.node.home, 'pilot.pid'),
      join(this.b.node.home, 'pilot.pid'),
      join(this.rendezvous.home, 'rendezvous.pid'),
    ]) {
      try {
        process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
      } catch {
        // Not running.
      }
    }
  }

  async close(): Promise<void> {
    this.killAll();
    await this.sandbox.close();
  }

  async #trustEachOther(): Promise<void> {
    const { a, b } = this;
    await a.client.handshake('victim-b', 'colleagues');
    await eventually(async () => assert.equal((await b.client.pending()).length, 1));
    await b.client.approve(String(a.id));
    await eventually(async () => assert.equal((await a.client.trusted()).length, 1));
    await this.assertFine();
  }
}

export function residentMegabytes(pid: number): number {
  if (process.platform !== 'linux') return 0;
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
}

/** Starts a daemon and connects to it. */
export async function startVictim(node: Node, flags: readonly string[]): Promise<Victim> {
  await node.data(['daemon', 'start', ...flags]);
  return connectVictim(node);
}

export async function connectVictim(node: Node): Promise<Victim> {
  const client = await PilotClient.connect({
    net: nodeNet(),
    clock: nodeClock(),
    crypto: nodeCrypto(),
    socketPath: join(node.home, 'pilot.sock'),
  });
  const info = await client.info();
  return {
    node,
    client,
    id: info.node_id,
    endpoint: parseHostPort(info.listen_endpoint ?? '')!,
    publicKey: info.public_key,
  };
}
