/**
 * The calls of IPC code 0x41: what a client may ask of its daemon, with the JSON shape of parameters and results.
 * Keys are spelled as in spec/20 §4, and are only ever added. A `target` is a hostname, an address or a node id.
 */
import type { DiagnosticMethods } from './methods/diagnostics.ts';
import type { IdentityMethods } from './methods/identity.ts';
import type { MessageMethods } from './methods/messages.ts';
import type { MetricMethods } from './methods/metrics.ts';
import type { NameMethods } from './methods/names.ts';
import type { NetworkMethods } from './methods/networks.ts';
import type { PathMethods } from './methods/paths.ts';
import type { StreamMethods } from './methods/streams.ts';
import type { TrustMethods } from './methods/trust.ts';

export type * from './methods/diagnostics.ts';
export type * from './methods/identity.ts';
export type * from './methods/messages.ts';
export type * from './methods/metrics.ts';
export type * from './methods/names.ts';
export type * from './methods/networks.ts';
export type * from './methods/paths.ts';
export type * from './methods/streams.ts';
export type * from './methods/trust.ts';

/** Name → [parameters, result]. Errors are those of the catalogue in api/errors.ts. */
export interface Methods
  extends DiagnosticMethods,
    IdentityMethods,
    MessageMethods,
    MetricMethods,
    NameMethods,
    NetworkMethods,
    PathMethods,
    StreamMethods,
    TrustMethods {}

export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M][0];
export type Result<M extends Method> = Methods[M][1];
