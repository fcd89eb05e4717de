import { asPilotError, type PilotError } from '../../api/errors.ts';
import { equal, fromUtf8 } from '../../base/bytes.ts';
import type { NodeId } from '../../base/units.ts';
import { type App, type AppObserver, type StreamId, streamBytes } from './app.ts';
import type { Machine } from './machine.ts';

/** Two events of one instant may be seen in either order. */
const SAME_INSTANT = 1;

interface Consent {
  now: boolean;
  ever: boolean;
  withdrawnAt: number;
}

export interface StreamRecord {
  readonly id: StreamId;
  readonly from: Machine;
  readonly to: Machine;
  readonly length: number;
  /** Start of the receiving daemon and application that accepted it. */
  acceptedBy: { incarnation: number; app: App } | undefined;
  received: number;
  sender: 'sending' | 'acknowledged' | 'failed';
  receiver: 'open' | 'finished' | 'broken';
}

export interface DatagramRecord {
  readonly from: Machine;
  readonly to: Machine;
  received: number;
}

export interface FileRecord {
  readonly id: number;
  readonly from: Machine;
  readonly to: Machine;
  readonly size: number;
  acknowledged: boolean;
}

export function fileName(id: number): string {
  return `file-${id}.bin`;
}

export interface MessageRecord {
  readonly id: string;
  readonly from: Machine;
  readonly to: Machine;
  acknowledged: boolean;
}

/** What users are promised, and whether it was kept: the reference that a world of real daemons is compared with. */
export class Promises implements AppObserver {
  readonly failures: string[] = [];
  readonly streams = new Map<StreamId, StreamRecord>();
  readonly messages = new Map<string, MessageRecord>();
  readonly files = new Map<number, FileRecord>();
  readonly datagrams = new Map<string, DatagramRecord>();
  readonly machines: Machine[] = [];
  readonly #consents = new Map<string, Consent>();
  #accepted = 0;

  get acceptedStreams(): number {
    return this.#accepted;
  }

  broken(what: string): void {
    // One cause can break the same promise again and again; the first few tell enough.
    if (this.failures.length < 20) this.failures.push(what);
  }

  /** The user of `a` wants to talk with `b`: asked, or approved. */
  consent(a: Machine, b: Machine): void {
    const consent = this.#consent(a, b);
    consent.now = true;
    consent.ever = true;
  }

  /** The user of `a` was told that its trust in `b` is withdrawn. */
  withdraw(a: Machine, b: Machine): void {
    const consent = this.#consent(a, b);
    consent.now = false;
    consent.withdrawnAt = a.world.now;
  }

  hasConsent(a: Machine, b: Machine): boolean {
    return this.#consent(a, b).now;
  }

  everConsented(a: Machine, b: Machine): boolean {
    return this.#consent(a, b).ever;
  }

  accepted(app: App, node: NodeId): void {
    this.#accepted++;
    this.#judgeSender(app, node, 'stream');
  }

  datagram(app: App, node: NodeId, data: Uint8Array): void {
    this.#judgeSender(app, node, 'datagram');
    const text = fromUtf8(data);
    const record = this.datagrams.get(text);
    if (record === undefined) this.broken(`${app.name} received the datagram "${text}", which nobody sent`);
    else if (record.from.node !== node || record.to.app !== app) {
      this.broken(
        `${app.name} received the datagram "${text}" from node ${node}, not from ${record.from.name}`,
      );
    } else if (++record.received > 1) this.broken(`${app.name} received the datagram "${text}" again`);
  }

  received(app: App, id: StreamId, node: NodeId, bytes: number, wrong: string | undefined): void {
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.broken(`${app.name} received stream ${id}, which nobody sent`);
      return;
    }
    if (stream.from.node !== node) {
      this.broken(`${app.name} received stream ${id} from node ${node}, not from ${stream.from.name}`);
    }
    if (stream.to.app !== app) this.broken(`${app.name} received stream ${id}, meant for ${stream.to.name}`);
    if (wrong !== undefined) this.broken(`stream ${id} from ${stream.from.name} to ${app.name}: ${wrong}`);
    stream.acceptedBy ??= { incarnation: stream.to.incarnation, app };
    stream.received += bytes;
  }

  ended(_app: App, id: StreamId, error: PilotError | undefined): void {
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    if (stream.receiver !== 'open') this.broken(`stream ${id} ended twice`);
    stream.receiver = error === undefined ? 'finished' : 'broken';
  }

  machineOf(node: NodeId): Machine | undefined {
    return this.machines.find((machine) => machine.node === node);
  }

  /** What can be judged at the end only, when nothing is under way any more. */
  judgeTransfers(): void {
    for (const stream of this.streams.values()) {
      const { id, from, to } = stream;
      const name = `stream ${id} of ${stream.length} bytes from ${from.name} to ${to.name}`;
      if (stream.sender !== 'acknowledged') continue;
      const isSameReceiver =
        stream.acceptedBy?.app === to.app && stream.acceptedBy?.incarnation === to.incarnation;
      if (stream.receiver === 'finished' && stream.received !== stream.length) {
        this.broken(`${name} was acknowledged and ended in order after ${stream.received} bytes`);
      }
      if (isSameReceiver && stream.receiver !== 'finished') {
        this.broken(
          `${name} was acknowledged, but its receiver is ${stream.receiver} after ${stream.received}`,
        );
      }
    }
    for (const machine of this.machines) {
      this.#judgeInbox(machine);
      this.#judgeFiles(machine);
    }
  }

  /** Nothing is accepted before mutual trust. */
  #judgeSender(app: App, node: NodeId, what: string): void {
    const receiver = this.machines.find((machine) => machine.app === app);
    const sender = this.machineOf(node);
    if (receiver === undefined) return;
    if (sender === undefined) {
      this.broken(`${receiver.name} accepted a ${what} from node ${node}, which nobody is`);
      return;
    }
    const own = this.#consent(receiver, sender);
    const justWithdrawn = own.ever && receiver.world.now - own.withdrawnAt <= SAME_INSTANT;
    if (!own.now && !justWithdrawn) {
      this.broken(`${receiver.name} accepted a ${what} from ${sender.name}, which its user does not trust`);
    }
    if (!this.#consent(sender, receiver).ever) {
      this.broken(`${receiver.name} accepted a ${what} from ${sender.name}, whose user never agreed`);
    }
  }

  #judgeInbox(machine: Machine): void {
    const counts = new Map<string, number>();
    for (const text of inboxOf(machine)) counts.set(text, (counts.get(text) ?? 0) + 1);
    for (const message of this.messages.values()) {
      if (message.to !== machine) continue;
      const count = counts.get(message.id) ?? 0;
      counts.delete(message.id);
      const name = `message ${message.id} from ${message.from.name} to ${machine.name}`;
      if (message.acknowledged && count === 0)
        this.broken(`${name} was acknowledged but is not in the inbox`);
      if (count > 1) this.broken(`${name} is in the inbox ${count} times`);
    }
    for (const text of counts.keys()) this.broken(`${machine.name} has a message nobody sent: ${text}`);
  }

  /** A file that can be seen is whole, and one that was acknowledged can be seen. */
  #judgeFiles(machine: Machine): void {
    const seen = new Set<number>();
    for (const [path, { data }] of machine.host.disk.files) {
      const name = /^home\/received\/([^/]*)$/.exec(path)?.[1];
      if (name === undefined) continue;
      const record = this.files.get(Number(/file-(\d+)/.exec(name)?.[1]));
      if (record === undefined || record.to !== machine)
        this.broken(`${machine.name} has ${name}, which nobody sent`);
      else if (!equal(data, streamBytes(record.id, 0, record.size))) {
        this.broken(
          `${machine.name} shows ${name} with ${data.length} of ${record.size} bytes, or wrong ones`,
        );
      } else seen.add(record.id);
    }
    for (const { id, from, to, acknowledged } of this.files.values()) {
      if (to !== machine || !acknowledged || seen.has(id)) continue;
      this.broken(`file ${id} from ${from.name} was acknowledged, but ${machine.name} does not have it`);
    }
  }

  #consent(a: Machine, b: Machine): Consent {
    const key = `${a.name}>${b.name}`;
    let consent = this.#consents.get(key);
    if (consent === undefined) {
      consent = { now: false, ever: false, withdrawnAt: Number.NEGATIVE_INFINITY };
      this.#consents.set(key, consent);
    }
    return consent;
  }
}

/** Texts of all stored messages. */
function inboxOf(machine: Machine): string[] {
  const texts: string[] = [];
  for (const [path, file] of machine.host.disk.files) {
    if (!path.startsWith('home/inbox/')) continue;
    try {
      const record = JSON.parse(new TextDecoder().decode(file.data)) as { data?: string };
      texts.push(String(record.data));
    } catch (thrown) {
      texts.push(`unreadable ${path}: ${asPilotError(thrown).message}`);
    }
  }
  return texts;
}
