/** The rows of the matrix: where two agents are. `lab/oracle.ts` knows what is possible there, `lab/places.ts` builds it. */
import type { Translation } from './router-rules.ts';
import type { Link } from './shaper.ts';

/** One agent's way to the internet. */
export interface Access {
  /** Of the router at home. */
  readonly nat: Translation;
  /** Of a second router in a row, the provider's. */
  readonly carrier?: Translation;
  /** Families the host has addresses and default routes of. @default '4' */
  readonly families?: '4' | '6' | '46';
  /** A family whose packets are all lost although everything looks right. */
  readonly lost?: '4' | '6';
  readonly passes?: 'no-udp' | 'only-proxy';
  /** The router at home gives out ports: by PCP and NAT-PMP, or by UPnP. */
  readonly gives?: 'port-control' | 'upnp';
}

export interface Cell {
  readonly id: string;
  /** The one who connects. */
  readonly a: Access;
  readonly b: Access;
  /** What both share: a switch; the router at home, which keeps its two networks apart; the provider's router. */
  readonly together?: 'switch' | 'router' | 'carrier';
  /** The shared router turns packets around for hosts inside. */
  readonly hairpin?: boolean;
  /** The dialling host has a second interface, in the other one's network. */
  readonly secondInterface?: boolean;
  /** Of both cables to the internet, instead of `CABLE`. */
  readonly link?: Link;
}

/** One way from a home to the internet. So a beacon is 30 ms away, a peer 60 ms. */
export const CABLE: Link = { delayMs: 15 };

const PAIRED = ['full-cone', 'address-restricted', 'port-restricted', 'symmetric'] as const;

/** The sixteen pairs everybody is measured by. */
export const PAIRS: readonly Cell[] = PAIRED.flatMap((a) =>
  PAIRED.map((b) => ({ id: `${a} × ${b}`, a: { nat: a }, b: { nat: b } })),
);

const HOME: Access = { nat: 'port-restricted' };
const DUAL: Access = { nat: 'port-restricted', families: '46' };
const SEQUENTIAL: Access = { nat: 'symmetric-sequential' };
const SYMMETRIC: Access = { nat: 'symmetric' };
const CGNAT: Access = { nat: 'port-restricted', carrier: 'port-restricted' };

export const FURTHER: readonly Cell[] = [
  { id: 'open × open', a: { nat: 'open' }, b: { nat: 'open' } },
  { id: 'open × symmetric', a: { nat: 'open' }, b: SYMMETRIC },
  { id: 'sequential × port-restricted', a: SEQUENTIAL, b: HOME },
  { id: 'port-restricted × sequential', a: HOME, b: SEQUENTIAL },
  { id: 'sequential × sequential', a: SEQUENTIAL, b: SEQUENTIAL },
  { id: 'symmetric × sequential', a: SYMMETRIC, b: SEQUENTIAL },
  { id: 'cgnat × port-restricted', a: CGNAT, b: HOME },
  { id: 'cgnat × cgnat', a: CGNAT, b: CGNAT },
  {
    id: 'symmetric cgnat × full-cone',
    a: { nat: 'port-restricted', carrier: 'symmetric' },
    b: { nat: 'full-cone' },
  },
  { id: 'same cgnat, hairpin', a: HOME, b: HOME, together: 'carrier', hairpin: true },
  { id: 'same cgnat, no hairpin', a: HOME, b: HOME, together: 'carrier' },
  { id: 'same nat, hairpin', a: HOME, b: HOME, together: 'router', hairpin: true },
  { id: 'same nat, no hairpin', a: HOME, b: HOME, together: 'router' },
  { id: 'same lan', a: HOME, b: HOME, together: 'switch' },
  { id: 'same lan, symmetric nat', a: SYMMETRIC, b: SYMMETRIC, together: 'switch' },
  { id: 'ipv6 only × ipv6 only', a: { ...HOME, families: '6' }, b: { ...HOME, families: '6' } },
  { id: 'ipv6 only × dual', a: { ...HOME, families: '6' }, b: DUAL },
  { id: 'ipv6 only × ipv4 only', a: { ...HOME, families: '6' }, b: HOME },
  { id: 'dual, ipv6 lost × dual', a: { ...DUAL, lost: '6' }, b: DUAL },
  { id: 'dual, ipv4 lost × dual', a: { ...DUAL, lost: '4' }, b: DUAL },
  {
    id: 'dual × dual, symmetric nat',
    a: { nat: 'symmetric', families: '46' },
    b: { nat: 'symmetric', families: '46' },
  },
  {
    id: 'symmetric, gives ports × symmetric',
    a: { nat: 'symmetric', gives: 'port-control' },
    b: { nat: 'symmetric' },
  },
  {
    id: 'symmetric × symmetric, gives ports by upnp',
    a: { nat: 'symmetric' },
    b: { nat: 'symmetric', gives: 'upnp' },
  },
  { id: 'udp blocked × port-restricted', a: { ...HOME, passes: 'no-udp' }, b: HOME },
  { id: 'port-restricted × udp blocked', a: HOME, b: { ...HOME, passes: 'no-udp' } },
  { id: 'udp blocked × udp blocked', a: { ...HOME, passes: 'no-udp' }, b: { ...HOME, passes: 'no-udp' } },
  { id: 'proxy only × port-restricted', a: { ...HOME, passes: 'only-proxy' }, b: HOME },
  { id: 'two interfaces × same lan', a: SYMMETRIC, b: HOME, secondInterface: true },
  {
    id: 'port-restricted × port-restricted, 3 % loss',
    a: HOME,
    b: HOME,
    link: { delayMs: 15, jitterMs: 8, loss: 0.03 },
  },
];

export const CELLS: readonly Cell[] = [...PAIRS, ...FURTHER];
