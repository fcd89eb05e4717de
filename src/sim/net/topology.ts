import type { Host } from './host.ts';
import type { Nat } from './nat.ts';

/** Something with an address on a segment. */
export type Attachment = Host | Nat;

/** A network on which addresses are reached directly: the internet, a home network, a carrier's inside. */
export class Segment {
  readonly name: string;
  /** The way out; undefined for the internet itself. */
  router: Nat | undefined;
  readonly #byAddress = new Map<string, Attachment>();
  readonly #prefix: string;
  #next: number;

  /** Addresses are handed out as `prefix.N`, counting from `first`, over two octets when the prefix has two. */
  constructor(name: string, prefix: string, first = 2) {
    this.name = name;
    this.#prefix = prefix;
    this.#next = first;
  }

  /** A fresh address, never given before. */
  allocate(): string {
    const n = this.#next++;
    return this.#prefix.split('.').length === 2
      ? `${this.#prefix}.${(n >> 8) & 255}.${n & 255}`
      : `${this.#prefix}.${n}`;
  }

  at(address: string): Attachment | undefined {
    return this.#byAddress.get(address);
  }

  attach(attachment: Attachment): void {
    this.#byAddress.set(attachment.address, attachment);
  }

  detach(attachment: Attachment): void {
    if (this.#byAddress.get(attachment.address) === attachment) this.#byAddress.delete(attachment.address);
  }
}

/** The attachment by which a host appears on the internet: itself, or its outermost NAT. */
export function siteOf(host: Host): Attachment {
  let at: Attachment = host;
  for (let nat = host.segment.router; nat !== undefined; nat = nat.segment.router) at = nat;
  return at;
}
