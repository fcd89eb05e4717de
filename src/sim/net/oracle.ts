import type { Host } from './host.ts';
import type { Nat } from './nat.ts';
import type { Segment } from './topology.ts';

/**
 * Whether two hosts can exchange datagrams directly when both try and a third party tells each what it sees.
 * `with effort`: not by speaking to the endpoints seen, but by foreseeing the next port or with many sockets and ports.
 */
export type Reachability = 'yes' | 'no' | 'depends on chance' | 'with effort';

/**
 * What RFC 4787 behaviours allow between two hosts (RFC 5128 §3.3). `yes` means that hole punching must succeed,
 * `no` that only a relay can help.
 */
export function directPathPossible(a: Host, b: Host): Reachability {
  if (a.segment === b.segment) return 'yes';
  const meeting = commonSegment(a, b);
  if (meeting === undefined) return 'no';
  const [ours, theirs] = [natsUpTo(a, meeting), natsUpTo(b, meeting)];
  if (ours.length === 0 || theirs.length === 0) {
    if (meeting.router === undefined || hairpinsOnTheWay(meeting)) return 'yes';
    // Within a carrier's network only the inner one can begin, and only if it knows the other's local address.
    return 'depends on chance';
  }
  // Below the internet, a third party sees both behind the same outer NAT: they meet only if it hairpins.
  if (meeting.router !== undefined && !hairpinsOnTheWay(meeting)) return 'no';
  const [left, right] = [worst(ours), worst(theirs)];
  if (left.predictable && right.predictable) return 'yes';
  if (!left.predictable && !right.predictable) {
    if (left.lucky && right.lucky) return 'depends on chance';
    // A kept port is as good as a known one; two that nobody knows are met only where both count up.
    return left.lucky || right.lucky || (left.countsUp && right.countsUp) ? 'with effort' : 'no';
  }
  const [symmetric, other] = left.predictable ? [right, left] : [left, right];
  if (symmetric.lucky) return 'depends on chance';
  // The symmetric side comes from a port nobody was told; only a filter that looks at no port lets it in at once.
  return other.filtersPorts ? 'with effort' : 'yes';
}

interface Character {
  /** The external port is the one a third party saw. */
  readonly predictable: boolean;
  /** Not predictable by rule, but the port is kept where it is free. */
  readonly lucky: boolean;
  readonly filtersPorts: boolean;
  /** The next port follows from the one before. */
  readonly countsUp: boolean;
}

function worst(nats: readonly Nat[]): Character {
  return {
    predictable: nats.every((nat) => nat.behaviour.mapping === 'endpoint-independent'),
    lucky: nats.every(
      (nat) => nat.behaviour.mapping === 'endpoint-independent' || nat.behaviour.ports === 'preserve',
    ),
    // The outermost translator that chooses ports itself decides.
    countsUp: nats.findLast((nat) => nat.behaviour.ports !== 'preserve')?.behaviour.ports === 'sequential',
    filtersPorts: nats.some((nat) => nat.behaviour.filtering === 'address-and-port-dependent'),
  };
}

function hairpinsOnTheWay(meeting: Segment): boolean {
  for (let nat = meeting.router; nat !== undefined; nat = nat.segment.router)
    if (nat.behaviour.hairpin) return true;
  return false;
}

function segmentsOf(host: Host): Segment[] {
  const found = [host.segment];
  for (let nat = host.segment.router; nat !== undefined; nat = nat.segment.router) found.push(nat.segment);
  return found;
}

function commonSegment(a: Host, b: Host): Segment | undefined {
  const theirs = new Set(segmentsOf(b));
  return segmentsOf(a).find((segment) => theirs.has(segment));
}

function natsUpTo(host: Host, meeting: Segment): Nat[] {
  const nats: Nat[] = [];
  for (
    let { segment } = host;
    segment !== meeting && segment.router !== undefined;
    segment = segment.router.segment
  ) {
    nats.push(segment.router);
  }
  return nats;
}
