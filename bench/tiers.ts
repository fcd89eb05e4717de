/** The ways in which our daemons are set up to be measured. */

export interface Tier {
  readonly id: string;
  readonly name: string;
  /** Keys of config.json. */
  readonly settings: Readonly<Record<string, string>>;
  readonly relayOnly?: boolean;
}

/** Of the largest IP packet. */
const ETHERNET = { path_mtu: '1400' };
const PLAIN = { accelerator: 'off' };

/** Application to application, through both daemons. */
export const TIERS: readonly Tier[] = [
  { id: 'app', name: 'Pilot, as installed', settings: {} },
  { id: 'app-1400', name: 'Pilot, as installed, path of 1,400 B', settings: ETHERNET },
  {
    id: 'app-segmented-1400',
    name: 'Pilot, segmenting sockets only, path of 1,400 B',
    settings: { accelerator: 'segmented', ...ETHERNET },
  },
  { id: 'app-plain', name: 'Pilot, pure TypeScript', settings: PLAIN },
  {
    id: 'app-plain-1400',
    name: 'Pilot, pure TypeScript, path of 1,400 B',
    settings: { ...PLAIN, ...ETHERNET },
  },
  { id: 'relayed', name: 'Pilot, as installed, relayed by a beacon', settings: {}, relayOnly: true },
];

/** Daemon to daemon, in the processes that measure. */
export const NODE_TIERS: readonly Tier[] = [
  { id: 'node', name: 'Pilot without IPC, as installed', settings: {} },
  { id: 'node-1400', name: 'Pilot without IPC, path of 1,400 B', settings: ETHERNET },
  {
    id: 'node-plain-1400',
    name: 'Pilot without IPC, pure TypeScript, path of 1,400 B',
    settings: { ...PLAIN, ...ETHERNET },
  },
];

/** The environment that gives a node in a process of ours the settings of a tier. */
export function environmentOf({ settings }: Tier): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [`PILOT_${key.toUpperCase()}`, value]),
  );
}
