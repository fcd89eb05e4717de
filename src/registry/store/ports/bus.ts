import type { NetworkId, NodeId } from '../../../base/units.ts';

/** What happened at one process that concerns connections or memory of others. Hints: what counts is in the store. */
export type BusMessage =
  /** Somebody subscribed to `node` is to be told. */
  | {
      readonly kind: 'tell';
      readonly node: NodeId;
      readonly event: string;
      readonly from: NodeId;
      readonly network?: NetworkId | undefined;
    }
  /** All who share trust with `node` are to be told. */
  | { readonly kind: 'peers'; readonly node: NodeId; readonly event: string }
  /** The network changed: `about` names the member that did, without it the network itself. */
  | { readonly kind: 'network'; readonly network: NetworkId; readonly about?: NodeId | undefined }
  /** A network is gone; these were its members, or some of them. */
  | { readonly kind: 'gone'; readonly network: NetworkId; readonly members: readonly NodeId[] }
  /** `from` asked for `to` in a request of its own. */
  | { readonly kind: 'contact'; readonly from: NodeId; readonly to: NodeId }
  | { readonly kind: 'beacon'; readonly id: number; readonly address: string };

/** Between the processes that share a store. */
export interface Bus {
  /** Returns at once. Reaches all others soon, or they hear that they missed something. */
  publish(message: BusMessage): void;
  /** One receiver. `missed`: messages may have been lost. */
  receive(receiver: (message: BusMessage) => void, missed: () => void): void;
}

/** Whether a store that is elsewhere can be reached. */
export interface Availability {
  readonly isUp: boolean;
  /** One receiver. */
  onChange(receiver: (isUp: boolean) => void): void;
}
