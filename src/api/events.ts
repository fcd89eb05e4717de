/**
 * The catalogue of events about reaching peers: names as in the log of the daemon. A test compares it with
 * docs/events.md and with the events the sources make. Names are stable, fields are only ever added.
 */

interface EventSpec {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly fields: readonly string[];
  readonly meaning: string;
}

export const EVENTS = {
  'tunnel.established': {
    level: 'info',
    fields: ['peer', 'path'],
    meaning: 'There is a key with the peer, and a path',
  },
  'tunnel.rekeyed': { level: 'info', fields: ['peer'], meaning: 'The key was replaced' },
  'tunnel.path_changed': {
    level: 'info',
    fields: ['peer', 'path', 'endpoint', 'reason'],
    meaning: 'Packets take another path from now on',
  },
  'tunnel.size_changed': {
    level: 'info',
    fields: ['peer', 'path', 'bytes', 'before'],
    meaning: 'Datagrams on the path in use may have this size from now on',
  },
  'tunnel.unreachable': {
    level: 'info',
    fields: ['peer', 'reason'],
    meaning: 'The peer has not answered on any path for a while',
  },
  'tunnel.punch_begun': {
    level: 'info',
    fields: ['peer', 'strategy'],
    meaning: 'An attempt to open a direct path begins',
  },
  'tunnel.punch_ended': {
    level: 'info',
    fields: ['peer', 'strategy', 'outcome', 'packets'],
    meaning: 'The attempt is over',
  },
  'beacon.observed': {
    level: 'debug',
    fields: ['beacon', 'endpoint'],
    meaning: 'A beacon sees this node for the first time, or somewhere else than before',
  },
  'beacon.lost': { level: 'debug', fields: ['beacon'], meaning: 'A beacon has stopped answering' },
  'beacon.silent': { level: 'debug', fields: [], meaning: 'No beacon answers over UDP' },
  'beacon.answered': { level: 'debug', fields: [], meaning: 'A beacon answers over UDP again' },
  'beacon.unresolved': {
    level: 'warn',
    fields: ['host', 'message'],
    meaning: 'The name of a beacon can’t be looked up',
  },
  'node.network_changed': {
    level: 'info',
    fields: ['count'],
    meaning: 'This machine has other addresses or another router than before; it has `count` addresses now',
  },
  'node.slept': { level: 'info', fields: ['count'], meaning: 'This machine slept and is awake again' },
  'socket.not_opened': {
    level: 'warn',
    fields: ['via', 'code', 'message'],
    meaning: 'A further UDP socket, for opening a direct path, can’t be had',
  },
  'port_mapping.made': {
    level: 'info',
    fields: ['method', 'external', 'lifetime'],
    meaning: 'The router forwards a port to this node',
  },
  'port_mapping.lost': {
    level: 'debug',
    fields: ['method', 'external'],
    meaning: 'The router does not forward it any more',
  },
  'port_mapping.failed': {
    level: 'debug',
    fields: ['problem', 'tried'],
    meaning: 'The router forwards no port',
  },
  'carrier.up': { level: 'info', fields: ['url'], meaning: 'A byte stream to a beacon carries packets' },
  'carrier.down': { level: 'info', fields: ['url'], meaning: 'It does not any more' },
  'carrier.failed': {
    level: 'warn',
    fields: ['url', 'code', 'message'],
    meaning:
      'A byte stream to a beacon does not open, or broke; of a series only the first is a warning, the rest is `debug`',
  },
  'transport.changed': {
    level: 'info',
    fields: ['transport'],
    meaning: 'Beacons are reached another way from now on: `udp`, `compat` (TCP 443) or `none`',
  },
  'registry.connected': { level: 'info', fields: [], meaning: 'The connection to the registry stands' },
  'registry.disconnected': { level: 'info', fields: [], meaning: 'The connection to the registry is gone' },
} as const satisfies Readonly<Record<string, EventSpec>>;

/** All events of these families belong in the catalogue. */
export const EVENT_FAMILIES: readonly string[] = ['tunnel.', 'port_mapping.', 'carrier.', 'transport.'];
