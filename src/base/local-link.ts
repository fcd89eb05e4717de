import type { Bytes } from './units.ts';

/** One of the machine's own addresses, and the link behind it. */
export interface LocalLink {
  /** IP literal. */
  readonly address: string;
  /** Length of the network's prefix. */
  readonly bits: number;
  /** Largest IP packet that the link carries; undefined when the system does not tell. */
  readonly mtu: Bytes | undefined;
  readonly loopback: boolean;
  /** The default router is behind it. */
  readonly leadsOut: boolean;
}
