/**
 * The catalogue of causes: why a peer is reached the way it is, or not at all. `pilotctl why` names one of them.
 * A test compares it with docs/connectivity.md. Codes are stable; match on them.
 */

/** `direct`: packets go straight to the peer. `relayed`: through a relay. `idle`: nobody tried. */
export type Verdict = 'direct' | 'relayed' | 'connecting' | 'unreachable' | 'idle';

interface CauseSpec {
  /** The verdicts it explains; none: only ever a remark beside another cause, as any cause may be. */
  readonly verdicts: readonly Verdict[];
  readonly meaning: string;
  /** The one thing that would help; '' when nothing is wrong. `{peer}` stands for the peer's name. */
  readonly help: string;
}

export const CAUSES = {
  same_lan: {
    verdicts: ['direct'],
    meaning: 'Both are on one local network and talk over it',
    help: '',
  },
  direct: {
    verdicts: ['direct'],
    meaning: 'A direct path was proven and is in use',
    help: '',
  },
  relay_only_here: {
    verdicts: ['relayed'],
    meaning: 'This node is set to use relays only',
    help: 'allow direct paths: pilotctl config --set relay_only=false, then pilotctl daemon restart',
  },
  relay_only_there: {
    verdicts: ['relayed'],
    meaning: 'The peer is set to use relays only, or tells nobody where it is',
    help: 'the owner of {peer} can allow direct paths: pilotctl config --set relay_only=false',
  },
  streams_only_here: {
    verdicts: ['relayed'],
    meaning: 'This node is set to send nothing over UDP, only over TCP 443',
    help: 'let it choose by itself: pilotctl config --set transport=auto, then pilotctl daemon restart',
  },
  udp_blocked_here: {
    verdicts: ['relayed', 'unreachable'],
    meaning: 'The network of this node lets no UDP through',
    help: 'let UDP out of this network; what it does let through: pilotctl netcheck',
  },
  udp_blocked_there: {
    verdicts: ['relayed'],
    meaning: 'The network of the peer lets no UDP through',
    help: 'let UDP out of the network of {peer}; there: pilotctl netcheck',
  },
  no_common_family: {
    verdicts: ['relayed'],
    meaning: 'One side has IPv4 only and the other IPv6 only',
    help: 'give one side both IPv4 and IPv6',
  },
  punching: {
    verdicts: ['relayed'],
    meaning: 'A direct path is being opened right now',
    help: 'wait a few seconds, then ask again: pilotctl why {peer}',
  },
  both_symmetric: {
    verdicts: ['relayed'],
    meaning:
      'Both NATs give a new port to every destination, so that neither side can tell the other where to send',
    help: 'switch on port mapping (UPnP, NAT-PMP or PCP) in the router of either side, or forward the UDP port of one node',
  },
  symmetric_vs_port_restricted: {
    verdicts: ['relayed'],
    meaning:
      'One NAT gives a new port to every destination and the other lets in only the port that was written to, and no guess has met yet',
    help: 'switch on port mapping (UPnP, NAT-PMP or PCP) in the router of either side, or forward the UDP port of one node',
  },
  symmetric_here: {
    verdicts: ['relayed'],
    meaning: 'The NAT here gives a new port to every destination, so that the peer can’t know where to send',
    help: 'switch on port mapping (UPnP, NAT-PMP or PCP) in the router of either side, or forward the UDP port of one node',
  },
  symmetric_there: {
    verdicts: ['relayed'],
    meaning:
      'The NAT of the peer gives a new port to every destination, so that this node can’t know where to send',
    help: 'switch on port mapping (UPnP, NAT-PMP or PCP) in the router of either side, or forward the UDP port of one node',
  },
  peer_old: {
    verdicts: ['relayed'],
    meaning: 'The peer runs a version that takes no part in opening a direct path',
    help: 'update Pilot on {peer}',
  },
  no_hairpin: {
    verdicts: ['relayed'],
    meaning: 'Both are behind one NAT that does not lead back inside, and see each other on no local network',
    help: 'switch on NAT loopback (hairpinning) in the router, or join one local network',
  },
  direct_lost: {
    verdicts: ['relayed'],
    meaning: 'A direct path worked and has stopped; it is looked for again',
    help: 'wait a few seconds, then ask again: pilotctl why {peer}',
  },
  no_candidates: {
    verdicts: ['relayed'],
    meaning: 'No address of the peer is known to try',
    help: 'check there that a beacon answers: pilotctl netcheck',
  },
  no_direct_answer: {
    verdicts: ['relayed'],
    meaning:
      'Packets were sent to addresses of the peer and none got through: a firewall or a NAT on the way drops them',
    help: 'allow incoming and outgoing UDP for Pilot in the firewall of either side',
  },
  connecting: {
    verdicts: ['connecting'],
    meaning: 'The first packets are on their way',
    help: 'wait a moment, then ask again: pilotctl why {peer}',
  },
  idle: {
    verdicts: ['idle'],
    meaning: 'Nothing was sent to the peer lately, so there is no path',
    help: 'try it: pilotctl ping {peer}',
  },
  this_node: {
    verdicts: ['idle'],
    meaning: 'That is this node itself',
    help: 'name another node; see: pilotctl peers',
  },
  no_such_peer: {
    verdicts: ['unreachable'],
    meaning: 'The registry knows no such node, or the node is private and does not trust this one',
    help: 'check the name with its owner, or ask for trust: pilotctl handshake {peer}',
  },
  not_trusted: {
    verdicts: ['unreachable'],
    meaning: 'The peer is private and there is no mutual trust with it',
    help: 'ask for trust: pilotctl handshake {peer}',
  },
  trust_pending: {
    verdicts: ['unreachable'],
    meaning: 'Trust was asked for, and one side has not said yes yet',
    help: 'the one who was asked approves: pilotctl pending, pilotctl approve',
  },
  identity_changed: {
    verdicts: ['unreachable'],
    meaning: 'The peer presents another key than the one pinned for it',
    help: 'compare fingerprints with its owner: pilotctl info there, pilotctl lookup {peer} here',
  },
  no_network: {
    verdicts: ['unreachable'],
    meaning: 'This machine has no network: no interface is up',
    help: 'connect this machine to a network',
  },
  not_registered: {
    verdicts: ['unreachable'],
    meaning: 'This node has no address yet',
    help: 'see what the registry says: pilotctl daemon status',
  },
  registry_unreachable: {
    verdicts: ['unreachable'],
    meaning: 'The registry does not answer, and without it nothing is known of the peer',
    help: 'check the way to the registry: pilotctl netcheck',
  },
  offline: {
    verdicts: ['unreachable'],
    meaning: 'Neither the registry nor any beacon answers: this machine seems to be cut off',
    help: 'check the network of this machine: pilotctl netcheck',
  },
  no_beacon: {
    verdicts: ['unreachable'],
    meaning: 'No beacon answers, so nothing can be relayed, and no direct path works',
    help: 'check the beacons: pilotctl netcheck; then their operator: pilotctl rendezvous status',
  },
  proxy_auth_failed: {
    verdicts: ['unreachable'],
    meaning: 'UDP is blocked, and the proxy that leads out refuses our credentials',
    help: 'give the right credentials in the proxy setting: pilotctl config --set proxy=http://USER:PASSWORD@HOST:PORT',
  },
  carrier_failed: {
    verdicts: ['unreachable'],
    meaning: 'UDP is blocked, and no connection over TCP 443 to a beacon comes about either',
    help: 'let TCP 443 to the beacon out of this network, or name a proxy: pilotctl config --set proxy=http://HOST:PORT',
  },
  peer_offline: {
    verdicts: ['unreachable'],
    meaning: 'The peer does not answer, and the registry has not heard of it for minutes either',
    help: 'start it there: pilotctl daemon start',
  },
  peer_silent: {
    verdicts: ['unreachable'],
    meaning: 'The peer is registered and answers on no path, not even through a relay',
    help: 'look there: pilotctl daemon status, pilotctl netcheck',
  },
  ipv6_broken: {
    verdicts: [],
    meaning: 'This machine has an IPv6 address, but nothing answers over IPv6',
    help: 'repair IPv6 in this network; until then IPv4 is used',
  },
  small_datagrams: {
    verdicts: [],
    meaning: 'The path carries only datagrams smaller than usual; packets to the peer are cut to fit',
    help: 'raise the MTU of the narrow link on the way: pilotctl netcheck shows what ours carries',
  },
} as const satisfies Readonly<Record<string, CauseSpec>>;

export type Cause = keyof typeof CAUSES;

/** The one thing that would help, for people; undefined when nothing is wrong. */
export function helpFor(cause: Cause, peer: string): string | undefined {
  const { help } = CAUSES[cause];
  return help === '' ? undefined : help.replaceAll('{peer}', peer);
}
