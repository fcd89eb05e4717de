/**
 * Units as types. The brands are optional properties ("flavours"): a literal number is accepted anywhere,
 * but a `NodeId` is never accepted where a `Port` is meant.
 */

/** Monotonic time in milliseconds since an arbitrary start; fractions allowed. Never compared across processes. */
export type Instant = number & { readonly __unit?: 'Instant' };
/** A length of time in milliseconds. */
export type Millis = number & { readonly __unit?: 'Millis' };
/** Wall-clock time in milliseconds since 1970-01-01 UTC. Used only where a signed field or a stored record needs it. */
export type UnixMillis = number & { readonly __unit?: 'UnixMillis' };
/** Low 32 bits of a virtual address: names a node in every network. 0 is never allocated. spec/01 §1.1 */
export type NodeId = number & { readonly __unit?: 'NodeId' };
/** High 16 bits of a virtual address. 0 is the backbone. spec/01 §1.1 */
export type NetworkId = number & { readonly __unit?: 'NetworkId' };
/** Virtual port, 0 to 65535. spec/01 §2 */
export type Port = number & { readonly __unit?: 'Port' };
/** A count of bytes. */
export type Bytes = number & { readonly __unit?: 'Bytes' };

/** A virtual address: network and node. spec/01 §1 */
export interface Address {
  readonly network: NetworkId;
  readonly node: NodeId;
}

/** A UDP or TCP endpoint of the underlying internet. `host` is a literal IPv4 or IPv6 address, never a name. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}
