/**
 * The catalogue of what `pilotctl netcheck` finds, worst first. A test compares it with docs/connectivity.md. Codes are
 * stable; match on them.
 */

/** `problem`: something does not work. `note`: it works, with a limit. `good`: as it should be. */
export type FindingLevel = 'problem' | 'note' | 'good';

interface FindingSpec {
  readonly level: FindingLevel;
  readonly meaning: string;
  /** What would help; '' when nothing is to be done. */
  readonly help: string;
}

export const FINDINGS = {
  no_address: {
    level: 'problem',
    meaning: 'No network interface of this machine is up',
    help: 'connect this machine to a network',
  },
  no_registry_configured: {
    level: 'problem',
    meaning: 'No registry is configured, so there is nothing beyond this machine to check',
    help: 'join one: pilotctl init --registry HOST',
  },
  registry_unreachable: {
    level: 'problem',
    meaning: 'The registry does not answer',
    help: 'check host and port with its operator, and that TCP to it is let out: pilotctl config',
  },
  registry_key_changed: {
    level: 'problem',
    meaning: 'What answers at the registry’s address shows another TLS key than the one pinned',
    help: 'check the key with the operator, then: pilotctl init --registry HOST --fingerprint HEX',
  },
  udp_blocked: {
    level: 'problem',
    meaning:
      'No beacon answers over UDP although TCP gets through: this network blocks UDP, or the beacons are down',
    help: 'let UDP out of this network, at least to port 9001 of the beacon',
  },
  offline: {
    level: 'problem',
    meaning: 'Neither the registry nor any beacon answers: this machine seems to be cut off',
    help: 'check cable, wireless network and gateway of this machine',
  },
  proxy_auth_failed: {
    level: 'problem',
    meaning: 'The proxy refuses our credentials',
    help: 'give the right credentials in the proxy setting: pilotctl config --set proxy=http://USER:PASSWORD@HOST:PORT',
  },
  carrier_failed: {
    level: 'problem',
    meaning: 'The way over TCP 443 to a beacon does not work',
    help: 'let TCP 443 to the beacon out of this network, or name a proxy: pilotctl config --set proxy=http://HOST:PORT',
  },
  beacon_silent: {
    level: 'problem',
    meaning: 'A beacon does not answer',
    help: 'ask its operator: pilotctl rendezvous status',
  },
  ipv6_broken: {
    level: 'problem',
    meaning: 'This machine has an IPv6 address, but a beacon answers over IPv4 only',
    help: 'repair IPv6 in this network; until then IPv4 is used',
  },
  packets_too_large: {
    level: 'problem',
    meaning:
      'Full-size packets do not arrive, smaller ones do: something on the way has a small MTU and does not say so',
    help: 'lower the MTU of the interface, or let ICMP “fragmentation needed” through the firewall',
  },
  clock_wrong: {
    level: 'problem',
    meaning: 'The clock of this machine is more than 30 s off that of the registry',
    help: 'set the clock, best by NTP: timedatectl set-ntp true',
  },
  registry_not_tls: {
    level: 'note',
    meaning: 'The connection to the registry is not encrypted',
    help: 'use a registry with TLS: pilotctl init --registry HOST',
  },
  nat_symmetric: {
    level: 'note',
    meaning: 'The NAT gives a new port to every destination: peers behind a strict NAT will often be relayed',
    help: 'switch on port mapping (UPnP, NAT-PMP or PCP) in the router, or forward the UDP port of this node',
  },
  udp_over_stream: {
    level: 'note',
    meaning: 'Packets travel over TCP 443, which costs speed and always takes a relay',
    help: 'let UDP out of this network',
  },
  clock_off: {
    level: 'note',
    meaning: 'The clock of this machine is more than 5 s off that of the registry',
    help: 'set the clock, best by NTP: timedatectl set-ntp true',
  },
  small_buffers: {
    level: 'note',
    meaning:
      'The system keeps only a little of what arrives in bursts, so fast streams lose packets on this machine',
    help: 'raise the limits: sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304 (macOS: kern.ipc.maxsockbuf)',
  },
  not_accelerated: {
    level: 'note',
    meaning:
      'The accelerator is not built for this machine: streams are several times slower than they could be',
    help: 'install a C++ compiler and the headers of Node, then: npm rebuild pilot-typescript',
  },
  old_beacon: {
    level: 'note',
    meaning: 'A beacon knows no survey, so the behaviour of the NAT can’t be told from it',
    help: 'ask its operator to update it',
  },
  port_mapped: {
    level: 'good',
    meaning: 'The router forwards a port to this node, so that peers can always reach it directly',
    help: '',
  },
  udp_works: {
    level: 'good',
    meaning: 'UDP gets through',
    help: '',
  },
  nat_easy: {
    level: 'good',
    meaning: 'Direct paths to most peers can be opened',
    help: '',
  },
} as const satisfies Readonly<Record<string, FindingSpec>>;

export type FindingCode = keyof typeof FINDINGS;
