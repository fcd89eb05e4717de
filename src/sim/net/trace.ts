import { formatEndpoint } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';

export type Fate =
  | 'delivered'
  | 'lost'
  | 'too large'
  | 'too large'
  | 'partitioned'
  | 'no route'
  | 'no mapping'
  | 'filtered'
  | 'no listener'
  | 'no hairpin';

export interface Passage {
  readonly time: number;
  /** Names of hosts; `?` when the packet never got that far. */
  readonly from: string;
  readonly to: string;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly protocol: 'udp' | 'tcp';
  readonly bytes: number;
  /** What the packet is, as far as its first bytes tell. */
  readonly label: string;
  readonly fate: Fate;
}

const KEPT = 400;
/** Bytes hashed at each end of a packet: header and tag tell packets apart. */
const HASHED_HEAD = 48;
const HASHED_TAIL = 16;

/** Hashes everything that crosses the virtual internet, and remembers the last of it for people. */
export class Trace {
  #a = 0x9e3779b9;
  #b = 0x85ebca6b;
  #recent: Passage[] = [];
  #counts = new Map<Fate, number>();
  /** Gets every packet with its fate. */
  onPassage: ((passage: Omit<Passage, 'label'>) => void) | undefined;
  readonly #describe: (data: Uint8Array) => string;

  constructor(describe: (data: Uint8Array) => string) {
    this.#describe = describe;
  }

  /** 16 hex digits that differ whenever any packet, its time or its fate differs. */
  get hash(): string {
    return (this.#a >>> 0).toString(16).padStart(8, '0') + (this.#b >>> 0).toString(16).padStart(8, '0');
  }

  count(fate: Fate): number {
    return this.#counts.get(fate) ?? 0;
  }

  get recent(): readonly Passage[] {
    return this.#recent;
  }

  /** Mixes a fact other than a packet into the hash: a transition, an event of a program. */
  note(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
  }

  packet(passage: Omit<Passage, 'label' | 'bytes'>, data: Uint8Array): void {
    // Times are sums of seeded draws: equal runs have equal bits, so microseconds lose nothing that matters.
    this.#mix(Math.floor(passage.time * 1000) | 0);
    this.note(passage.fate);
    this.#mix(passage.source.port);
    this.#mix(passage.destination.port);
    this.note(passage.destination.host);
    this.#mix(data.length);
    const tail = Math.max(HASHED_HEAD, data.length - HASHED_TAIL);
    for (let i = 0; i < data.length && i < HASHED_HEAD; i++) this.#mix(data[i]!);
    for (let i = tail; i < data.length; i++) this.#mix(data[i]!);
    this.#counts.set(passage.fate, this.count(passage.fate) + 1);
    this.onPassage?.({ ...passage, bytes: data.length });
    this.#recent.push({ ...passage, bytes: data.length, label: this.#describe(data) });
    if (this.#recent.length > 2 * KEPT) this.#recent = this.#recent.slice(-KEPT);
  }

  /** The last packets as a mermaid sequence diagram. */
  mermaid(last = 60, only: (passage: Passage) => boolean = () => true): string {
    const passages = this.#recent.filter(only).slice(-last);
    const names = [...new Set(passages.flatMap((passage) => [passage.from, passage.to]))];
    const lines = ['sequenceDiagram', ...names.map((name) => `  participant ${identifier(name)} as ${name}`)];
    for (const passage of passages) {
      const arrow = passage.fate === 'delivered' ? '->>' : '--x';
      const fate = passage.fate === 'delivered' ? '' : ` (${passage.fate})`;
      const route = `${formatEndpoint(passage.source)} > ${formatEndpoint(passage.destination)}`;
      lines.push(
        `  ${identifier(passage.from)}${arrow}${identifier(passage.to)}: ${passage.time.toFixed(1)} ${passage.protocol} ${passage.label} ${passage.bytes} B ${route}${fate}`,
      );
    }
    return lines.join('\n');
  }

  #mix(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#a ^= this.#a >>> 15;
    this.#b = Math.imul(this.#b + value, 0x2c1b3c6d) ^ (this.#b >>> 13);
  }
}

function identifier(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9]/g, '_');
}
