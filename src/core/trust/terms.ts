/** What one side is willing to give and wants to get, and the arithmetic of it. Pure. */
import type { JsonObject } from '../../wire/json.ts';
import { isJsonObject } from '../../wire/json.ts';
import {
  containsPorts,
  formatPorts,
  intersectPorts,
  NO_PORTS,
  type Ports,
  parsePorts,
} from '../../wire/ports.ts';
import { isDocumentCount } from '../../wire/signed-document.ts';
import { type Grant, grantFrom } from '../../wire/trust-certificate.ts';

/** As a request or an approval states them, from its speaker's side. Member names are those on the wire. */
export interface Terms {
  /** What the speaker lets the other reach at the speaker's node. */
  readonly give: Grant;
  /** What the speaker wants to reach at the other. */
  readonly get: Grant;
  /** Unix seconds; absent: no end. */
  readonly not_after?: number;
  /** Wants the trust to go on when it ends. */
  readonly renew?: boolean;
}

/** Everything, both ways, without end: what a request without terms asks for. */
export const ALL_TERMS: Terms = { give: { ports: '*' }, get: { ports: '*' } };
/**
 * Times nearer to each other than this, and than a tenth of the time that is left, are one wish: a command that is
 * repeated counts its duration anew. Seconds.
 */
const SAME_TIME = 600;

/** Terms of a message of a peer; undefined when they are none. */
export function termsFrom(value: unknown): Terms | undefined {
  if (!isJsonObject(value)) return undefined;
  const { not_after, renew, ...rest } = value;
  const give = grantFrom(rest.give);
  const get = grantFrom(rest.get);
  if (give === undefined || get === undefined || Object.keys(rest).length !== 2) return undefined;
  if (not_after !== undefined && !isDocumentCount(not_after)) return undefined;
  if (renew !== undefined && typeof renew !== 'boolean') return undefined;
  return {
    give,
    get,
    ...(not_after !== undefined && { not_after }),
    ...(renew === true && { renew }),
  };
}

/** Normalizes terms a caller gave. Throws RangeError for ports or numbers that are none. */
export function checkedTerms(terms: Terms): Terms {
  const normal = (grant: Grant): Grant => {
    const ports = parsePorts(grant.ports);
    if (ports === undefined) throw new RangeError(`not a set of ports: ${grant.ports}`);
    return { ...grant, ports: formatPorts(ports) };
  };
  const { give, get, not_after, renew } = terms;
  const checked = termsFrom({
    give: normal(give),
    get: normal(get),
    ...(not_after !== undefined && { not_after: Math.floor(not_after) }),
    ...(renew === true && { renew }),
  });
  if (checked === undefined) throw new RangeError('terms hold a number that is out of range');
  return checked;
}

export function termsMembers({ give, get, not_after, renew }: Terms): JsonObject {
  return { give, get, ...(not_after !== undefined && { not_after }), ...(renew === true && { renew }) };
}

export function portsOf(grant: Grant): Ports {
  return parsePorts(grant.ports) ?? NO_PORTS;
}

export function intersectGrants(one: Grant, other: Grant): Grant {
  const ports = formatPorts(intersectPorts(portsOf(one), portsOf(other)));
  const opens = least(one.opens, other.opens);
  return { ports, ...(opens !== undefined && { opens }) };
}

export function isGrantWithin(inner: Grant, outer: Grant): boolean {
  if (outer.opens !== undefined && (inner.opens === undefined || inner.opens > outer.opens)) return false;
  return containsPorts(portsOf(outer), portsOf(inner));
}

/** What both agree to, from the side of `ours`. */
export function agreedTerms(ours: Terms, theirs: Terms): Terms {
  const not_after = least(ours.not_after, theirs.not_after);
  return {
    give: intersectGrants(ours.give, theirs.get),
    get: intersectGrants(ours.get, theirs.give),
    ...(not_after !== undefined && { not_after }),
  };
}

/** The same terms as the other side would state them. */
export function mirrored(terms: Terms): Terms {
  return { ...terms, give: terms.get, get: terms.give };
}

/** Whether `inner` reaches no further than `outer` in any direction, time left aside. */
export function isScopeWithin(inner: Terms, outer: Terms): boolean {
  return isGrantWithin(inner.give, outer.give) && isGrantWithin(inner.get, outer.get);
}

export function isTimeWithin(inner: number | undefined, outer: number | undefined): boolean {
  return outer === undefined || (inner !== undefined && inner <= outer);
}

/** Whether somebody who says `one` after `other` wants nothing new. `seconds` is the time of `one`, unix seconds. */
export function isSameWish(one: Terms, other: Terms, seconds: number): boolean {
  if (!isScopeWithin(one, other) || !isScopeWithin(other, one)) return false;
  if ((one.renew ?? false) !== (other.renew ?? false)) return false;
  if (one.not_after === undefined || other.not_after === undefined) return one.not_after === other.not_after;
  const tolerance = Math.min(SAME_TIME, Math.max(1, (one.not_after - seconds) / 10));
  return Math.abs(one.not_after - other.not_after) <= tolerance;
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined) return other;
  return other === undefined ? one : Math.min(one, other);
}
