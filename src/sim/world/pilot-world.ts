import { asPilotError, PilotError } from '../../api/errors.ts';
import { utf8 } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import type { Millis } from '../../base/units.ts';
import { nodeCrypto } from '../../platform/index.ts';
import type { PilotClient } from '../../sdk/client.ts';
import { memorySource } from '../../services/data-exchange/file-source.ts';
import {
  between,
  type Host,
  type LinkConditions,
  NAT_PRESETS,
  type Nat,
  type NatPreset,
  type Process,
  pick,
  type Segment,
  World,
} from '../net/index.ts';
import { DATAGRAM_PORT, streamBytes } from './app.ts';
import { describeDatagram } from './describe-datagram.ts';
import { Machine } from './machine.ts';
import { fileName, Promises } from './promises.ts';
import { RendezvousMachine } from './rendezvous-machine.ts';
import { NonceLedger } from './watched-crypto.ts';

const PRESETS = Object.keys(NAT_PRESETS) as NatPreset[];

const FILE_ATTEMPTS = 3;
const FILE_PAUSE: Millis = 8_000;

/** What something under way was, to be named when it never ends. */
interface Activity {
  readonly name: string;
  readonly since: number;
  readonly process: Process | undefined;
}

/** Real daemons, registry and beacon on a virtual internet, with what their users are promised. */
export class PilotWorld {
  readonly world: World;
  readonly random: Random;
  readonly ledger = new NonceLedger();
  readonly promises = new Promises();
  readonly rendezvous: RendezvousMachine;
  /** What was done to the world, in order: printed when a promise is broken. */
  readonly journal: string[] = [];
  readonly #underWay = new Set<Activity>();
  readonly #base = new Map<string, LinkConditions>();
  #streams = 0;
  #messages = 0;
  #datagrams = 0;
  #files = 0;

  /** `recordsNonces`: every nonce is kept, to find repetitions. @default true */
  constructor(seed: string | number, { recordsNonces = true }: { recordsNonces?: boolean } = {}) {
    const crypto = recordsNonces ? this.ledger.watch(nodeCrypto()) : nodeCrypto();
    this.world = new World(seed, { describe: describeDatagram, crypto });
    this.random = this.world.random.fork('plan');
    this.rendezvous = new RendezvousMachine(this.world);
  }

  get machines(): readonly Machine[] {
    return this.promises.machines;
  }

  addMachine(name: string, segment: Segment, conditions: Partial<LinkConditions> = {}): Machine {
    const skew = Math.floor(between(this.random, -20_000, 20_000));
    const host = this.world.addHost(name, segment, { conditions, skew });
    host.disk.slowest = pick(this.random, [2, 10, 100]);
    const machine = new Machine(host, this.rendezvous, this.promises);
    this.promises.machines.push(machine);
    return machine;
  }

  /** A network of homes, carriers and servers drawn from the seed, with links that lose up to `loss`. */
  addRandomMachines(count: number, loss: number): void {
    for (let i = 0; i < count; i++) {
      const name = `node-${String.fromCharCode(97 + i)}`;
      const wan = this.#randomWan(loss);
      const place = this.random.below(10);
      if (place === 0) this.addMachine(name, this.world.internet, wan);
      else if (place === 1 && this.world.nats.length > 0) {
        this.addMachine(name, pick(this.random, this.world.nats).inside);
      } else if (place === 2) {
        const carrier = this.world.addNat(`carrier-${name}`, this.randomNat(), {
          prefix: '100.64',
          conditions: wan,
        });
        const home = this.world.addNat(`home-${name}`, this.randomNat(), { outside: carrier.inside });
        this.addMachine(name, home.inside);
      } else
        this.addMachine(
          name,
          this.world.addNat(`home-${name}`, this.randomNat(), { conditions: wan }).inside,
        );
    }
    for (const link of this.links()) this.#base.set(link.name, link.conditions);
  }

  randomNat(): (typeof NAT_PRESETS)[NatPreset] {
    return NAT_PRESETS[pick(this.random, PRESETS)];
  }

  /** Every access link of the world by the name of its owner. */
  links(): { name: string; conditions: LinkConditions; owner: Host | Nat }[] {
    const owners = [...this.machines.map((machine) => machine.host), ...this.world.nats];
    return owners.map((owner) => ({ name: owner.name, conditions: owner.link.conditions, owner }));
  }

  /** Ends every disturbance: links are up and calm, partitions gone. */
  heal(): void {
    this.world.router.healPartitions();
    for (const { name, owner } of this.links()) {
      const base = this.#base.get(name) ?? owner.link.conditions;
      owner.link.up = true;
      owner.link.conditions = { ...base, loss: Math.min(base.loss, 0.02) };
    }
  }

  restoreLink(owner: { readonly name: string; readonly link: { conditions: LinkConditions } }): void {
    owner.link.conditions = this.#base.get(owner.name) ?? owner.link.conditions;
  }

  note(text: string): void {
    const line = `${(this.world.now / 1000).toFixed(3).padStart(9)} ${text}`;
    this.journal.push(line);
    this.world.trace.note(line);
  }

  /** Runs something beside everything else. An error that is no `PilotError` breaks a promise; others are noted. */
  launch(name: string, process: Process | undefined, work: () => Promise<void>): void {
    const activity = { name, since: this.world.now, process };
    this.#underWay.add(activity);
    const done = (): void => {
      this.#underWay.delete(activity);
    };
    work().then(done, (thrown: unknown) => {
      done();
      if (!(thrown instanceof PilotError) || thrown.code === 'internal') {
        this.promises.broken(`${name} threw ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
      }
      this.note(`  ${name}: ${asPilotError(thrown).code}: ${asPilotError(thrown).message}`);
    });
  }

  /** What has not ended, of processes that live. */
  underWay(): Activity[] {
    return [...this.#underWay].filter((activity) => activity.process?.alive !== false);
  }

  // --- what users do -------------------------------------------------------------------------------------------

  sendStream(from: Machine, to: Machine, length: number): void {
    const { app } = from;
    if (app === undefined || to.node === 0) return;
    const id = ++this.#streams;
    this.promises.streams.set(id, {
      id,
      from,
      to,
      length,
      acceptedBy: undefined,
      received: 0,
      sender: 'sending',
      receiver: 'open',
    });
    const record = this.promises.streams.get(id)!;
    this.note(`${from.name} sends stream ${id} of ${length} bytes to ${to.name}`);
    this.launch(`stream ${id}`, app.process, async () => {
      try {
        await app.sendStream(to.node, id, length);
        record.sender = 'acknowledged';
      } catch (thrown) {
        record.sender = 'failed';
        throw thrown;
      }
    });
  }

  sendMessage(from: Machine, to: Machine): Promise<boolean> {
    const id = `message-${++this.#messages}`;
    const record = { id, from, to, acknowledged: false };
    this.promises.messages.set(id, record);
    this.note(`${from.name} sends ${id} to ${to.name}`);
    return this.#withClient(from, `${id}`, async (client) => {
      const message = { type: 'text', data: utf8(id) } as const;
      await client.sendMessage({ network: 0, node: to.node }, message, { timeout: 20_000 });
      record.acknowledged = true;
    });
  }

  /** Sends a file; when the transfer breaks, once more after a while. */
  async sendFile(from: Machine, to: Machine, size: number): Promise<void> {
    const id = ++this.#files;
    const record = { id, from, to, size, acknowledged: false };
    this.promises.files.set(id, record);
    this.note(`${from.name} sends file ${id} of ${size} bytes to ${to.name}`);
    for (let attempt = 1; attempt <= FILE_ATTEMPTS && !record.acknowledged; attempt++) {
      await this.#withClient(from, `file ${id}, attempt ${attempt}`, async (client) => {
        const source = memorySource(fileName(id), streamBytes(id, 0, size));
        await client.sendFile({ network: 0, node: to.node }, source, { timeout: 20_000 });
        record.acknowledged = true;
      });
      await new Promise<void>((resolve) => this.world.schedule(this.world.now + FILE_PAUSE, resolve));
    }
  }

  ask(from: Machine, to: Machine, byName: boolean): Promise<boolean> {
    const target = byName ? to.name : String(to.node);
    this.note(`${from.name} asks "${target}" for trust`);
    return this.#withClient(from, `handshake ${from.name} to ${to.name}`, async (client) => {
      this.promises.consent(from, to);
      await client.handshake(target, `from ${from.name}`);
    });
  }

  approve(who: Machine, asker: Machine): Promise<boolean> {
    this.note(`${who.name} approves ${asker.name}`);
    return this.#withClient(who, `approve ${asker.name} by ${who.name}`, async (client) => {
      this.promises.consent(who, asker);
      await client.approve(String(asker.node));
    });
  }

  untrust(who: Machine, peer: Machine): Promise<boolean> {
    this.note(`${who.name} withdraws its trust in ${peer.name}`);
    return this.#withClient(who, `untrust ${peer.name} by ${who.name}`, async (client) => {
      await client.untrust(String(peer.node));
      this.promises.withdraw(who, peer);
    });
  }

  sendDatagram(from: Machine, to: Machine): void {
    const text = `datagram-${++this.#datagrams}`;
    this.promises.datagrams.set(text, { from, to, received: 0 });
    void this.#withClient(from, text, async (client) => {
      await client.sendDatagram(String(to.node), DATAGRAM_PORT, utf8(text));
    });
  }

  ping(from: Machine, to: Machine, timeout: Millis = 5_000): Promise<boolean> {
    return this.#withClient(from, `ping ${from.name} to ${to.name}`, async (client) => {
      await client.pingOnce(String(to.node), { timeout });
    });
  }

  /** Resolves to whether it worked: false also when the daemon is away, or the application dies. */
  #withClient(
    machine: Machine,
    name: string,
    work: (client: PilotClient) => Promise<void>,
  ): Promise<boolean> {
    const { app } = machine;
    const client = app?.client;
    if (app === undefined || client === undefined) return Promise.resolve(false);
    return new Promise((resolve) => {
      app.process.whenDead(() => resolve(false));
      this.launch(name, app.process, async () => {
        try {
          await work(client);
        } catch (thrown) {
          resolve(false);
          throw thrown;
        }
        resolve(true);
      });
    });
  }

  #randomWan(loss: number): Partial<LinkConditions> {
    const { random } = this;
    return {
      delay: between(random, 2, 60),
      jitter: between(random, 0, 10),
      loss: pick(random, [0, 0.01, loss]),
      duplicate: pick(random, [0, 0, 0.02]),
      reorder: pick(random, [0, 0, 0.05]),
      rate: pick(random, [Number.POSITIVE_INFINITY, 2_500, 500]),
      queue: 150_000,
    };
  }
}
