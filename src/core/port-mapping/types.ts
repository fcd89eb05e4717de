/** Contracts of port mapping: a port of our router that leads to the tunnel's socket. */
import type { Endpoint, Instant, Millis } from '../../base/units.ts';

/** PCP (RFC 6887), NAT-PMP (RFC 6886), or the Internet Gateway Device profile of UPnP. */
export type PortMappingMethod = 'pcp' | 'nat-pmp' | 'upnp';

/** What `netcheck` tells. */
export interface PortMappingStatus {
  readonly mode: 'auto' | 'off';
  /** IP literal of the router that is asked. */
  readonly gateway?: string;
  readonly method?: PortMappingMethod;
  readonly external?: Endpoint;
  readonly expiresAt?: Instant;
  /** Why there is no mapping, or why the one there is does not help: a code such as `no_answer`. */
  readonly problem?: string;
  readonly tried: readonly PortMappingMethod[];
}

/** Whom to ask, and for what. */
export interface MappedNetwork {
  /** IPv4 literal of the default router. */
  readonly gateway: string;
  /** Our address on its network, and the port of the tunnel. */
  readonly internal: Endpoint;
}

/** A mapping that the router confirmed. */
export interface Mapping {
  readonly external: Endpoint;
  /** How long it is kept; undefined: until it is deleted. */
  readonly lifetime: Millis | undefined;
}

export type PortMappingOutput =
  /** To the port for port control (5351) of the router. */
  | { readonly type: 'transmit'; readonly data: Uint8Array }
  /** Answered by `upnpMapped` or `upnpFailed`. */
  | { readonly type: 'upnp'; readonly task: 'map' | 'unmap'; readonly external: number }
  /** Where the tunnel can be reached by the mapping, from now on. */
  | { readonly type: 'mapped'; readonly external: Endpoint | undefined }
  | { readonly type: 'event'; readonly event: PortMappingEvent };

export type PortMappingEvent =
  | {
      readonly name: 'port_mapping.made';
      readonly method: PortMappingMethod;
      readonly external: Endpoint;
      readonly lifetime: Millis | undefined;
    }
  | { readonly name: 'port_mapping.lost'; readonly method: PortMappingMethod; readonly external: Endpoint }
  | {
      readonly name: 'port_mapping.failed';
      readonly problem: string;
      readonly tried: readonly PortMappingMethod[];
    };
