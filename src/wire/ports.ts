/** Sets of ports, as scopes and policies write them: `*`, nothing, or `80,1001,7000-7010`. */
import type { Port } from '../base/units.ts';

export interface PortRange {
  readonly first: Port;
  readonly last: Port;
}

/** Ranges in order that neither overlap nor touch. */
export interface Ports {
  readonly ranges: readonly PortRange[];
}

/** Ranges one set may have. */
export const PORT_RANGES_LIMIT = 64;
const LAST: Port = 0xffff;
/** Text nobody needs more of: 64 ranges as written by hand, with some spaces. */
const TEXT_LIMIT = 2048;

export const ALL_PORTS: Ports = { ranges: [{ first: 0, last: LAST }] };
export const NO_PORTS: Ports = { ranges: [] };

/** Takes any order, overlaps and spaces; undefined for what is no set of ports, or one of more than 64 ranges. */
export function parsePorts(text: string): Ports | undefined {
  if (text.length > TEXT_LIMIT) return undefined;
  if (text.trim() === '') return NO_PORTS;
  if (text.trim() === '*') return ALL_PORTS;
  const ranges: PortRange[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (first > last || last > LAST) return undefined;
    ranges.push({ first, last });
  }
  const ports = { ranges: merged(ranges) };
  return ports.ranges.length > PORT_RANGES_LIMIT ? undefined : ports;
}

/** The one text of a set. */
export function formatPorts({ ranges }: Ports): string {
  if (ranges.length === 1 && ranges[0]!.first === 0 && ranges[0]!.last === LAST) return '*';
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** True when the text is the one `formatPorts` writes. */
export function isPortsText(text: string): boolean {
  const ports = parsePorts(text);
  return ports !== undefined && formatPorts(ports) === text;
}

/** Beyond 64 ranges the highest ports are left out: an intersection only ever gets smaller. */
export function intersectPorts(a: Ports, b: Ports): Ports {
  const ranges: PortRange[] = [];
  for (let i = 0, j = 0; i < a.ranges.length && j < b.ranges.length && ranges.length < PORT_RANGES_LIMIT; ) {
    const [left, right] = [a.ranges[i]!, b.ranges[j]!];
    const first = Math.max(left.first, right.first);
    const last = Math.min(left.last, right.last);
    if (first <= last) ranges.push({ first, last });
    if (left.last < right.last) i++;
    else j++;
  }
  return { ranges };
}

export function containsPorts(outer: Ports, inner: Ports): boolean {
  return inner.ranges.every(({ first, last }) =>
    outer.ranges.some((range) => range.first <= first && last <= range.last),
  );
}

export function hasPort({ ranges }: Ports, port: Port): boolean {
  return ranges.some(({ first, last }) => first <= port && port <= last);
}

function merged(ranges: PortRange[]): PortRange[] {
  ranges.sort((a, b) => a.first - b.first);
  const out: PortRange[] = [];
  for (const range of ranges) {
    const previous = out.at(-1);
    if (previous === undefined || range.first > previous.last + 1) out.push(range);
    else if (range.last > previous.last) out[out.length - 1] = { first: previous.first, last: range.last };
  }
  return out;
}
