import type { Variables } from './checker.ts';

/** What a policy decides about (spec/12 §6.2): inbound streams, outbound streams, datagrams both ways. */
export type GateEvent = 'connect' | 'dial' | 'datagram';

const COMMON: Variables = {
  peer_id: 'int',
  port: 'int',
  network_id: 'int',
  peer_age_s: 'float',
  peer_tags: { element: 'string' },
  local_tags: { element: 'string' },
};

export const GATES: Readonly<Record<GateEvent, Variables>> = {
  connect: COMMON,
  dial: COMMON,
  datagram: { ...COMMON, size: 'int', direction: 'string' },
};

/** Events about the table of peers that old daemons keep; they decide nothing here. */
export const OTHER_EVENTS: readonly string[] = ['cycle', 'join', 'leave'];

/** What is known when a gate is asked. */
export interface GateFacts {
  readonly event: GateEvent;
  readonly peer: number;
  /** Port at the destination. */
  readonly port: number;
  readonly network: number;
  /** Seconds since the peer became a member. */
  readonly peerAge: number;
  readonly peerTags: readonly string[];
  readonly localTags: readonly string[];
  /** Datagrams only. */
  readonly size: number;
  readonly direction: 'in' | 'out';
}
