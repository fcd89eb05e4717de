/** The beacon as a server. What it decides is in core/relay; this folder holds sockets, lookups and timers only. */
export { type Beacon, type BeaconOptions, startBeacon } from './beacon.ts';
export { type StreamLimits, type StreamStats, Streams } from './streams.ts';
