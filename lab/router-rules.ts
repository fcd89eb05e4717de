/**
 * What a router does to packets, as one nftables rule set, in the terms of RFC 4787. Interfaces whose name begins with
 * `lan` are inside, `wan` is outside. Several hosts may be inside; they must not use the same source port, as mappings
 * keep it.
 */

/** How UDP over IPv4 is translated. */
export const TRANSLATIONS = [
  /** No translation, no filter. */
  'open',
  'full-cone',
  'address-restricted',
  'port-restricted',
  'symmetric',
  'symmetric-sequential',
] as const;
export type Translation = (typeof TRANSLATIONS)[number];

export interface RouterRules {
  readonly nat: Translation;
  /** The router's IPv4 address outside. Needed by all but `open`. */
  readonly external?: string;
  /** Inside hosts reach each other by their external endpoints. Not with the symmetric kinds. @default false */
  readonly hairpin?: boolean;
  /** What may pass: `no-udp` drops every UDP datagram, `nothing` every packet (a proxy on the router still works). */
  readonly passes?: 'all' | 'no-udp' | 'nothing';
  /** IPv6: a stateful firewall, no filter at all, or every packet lost. @default 'firewall' */
  readonly v6?: 'firewall' | 'open' | 'lost';
  /** IPv4 packets are lost although addresses and routes look right. @default false */
  readonly v4Lost?: boolean;
  /** Inside networks (interfaces) do not reach each other directly. @default false */
  readonly isolates?: boolean;
  /** Idle time after which a UDP mapping ends. @default 120 */
  readonly mappingSeconds?: number;
}

// Ports a sequential allocator goes through; numgen begins anew at the end.
const SEQUENTIAL = { first: 20000, count: 8192 } as const;

export function routerRuleset(rules: RouterRules): string {
  return `${translation(rules)}${filter(rules)}${filter6(rules)}`;
}

function translation(rules: RouterRules): string {
  if (rules.nat === 'open') return '';
  const seconds = rules.mappingSeconds ?? 120;
  const external = rules.external ?? fail('a translating router needs its external address');
  const remote = REMOTE[rules.nat];
  const learns = remote !== undefined;
  const inward = (from: readonly string[]): string => {
    const allowed = from.length === 0 ? '' : `${['udp dport', ...from].join(' . ')} @contacted `;
    return `meta l4proto udp ${allowed}dnat to udp dport map @owners`;
  };
  const outside = inward((remote ?? []).map(({ from }) => from));
  // The sender still has its inside address here; outside it will be ours.
  const inside = inward((remote ?? []).map(({ from }) => (from === 'ip saddr' ? 'ip daddr' : from)));
  return `
table ip nat {
${learns ? memory(remote, seconds) : ''}
  chain pre { type nat hook prerouting priority -100; policy accept;
    ${learns ? `iifname "wan" ${outside}` : ''}
    ${learns && rules.hairpin === true ? `iifname "lan*" ip daddr ${external} ${inside}` : ''}
  }
  chain post { type nat hook postrouting priority 100; policy accept;
    ${rules.hairpin === true ? `iifname "lan*" oifname "lan*" ct status dnat snat to ${external}` : ''}
    ${outbound(rules.nat, external)}
    oifname "wan" masquerade
  }
}
`;
}

interface Part {
  readonly type: string;
  readonly to: string;
  readonly from: string;
}

const ADDRESS: Part = { type: 'ipv4_addr', to: 'ip daddr', from: 'ip saddr' };
const PORT: Part = { type: 'inet_service', to: 'udp dport', from: 'udp sport' };

/** What of the remote side an inbound packet must share with an earlier outbound one; undefined: conntrack decides. */
const REMOTE: Readonly<Record<Exclude<Translation, 'open'>, readonly Part[] | undefined>> = {
  'full-cone': [],
  'address-restricted': [ADDRESS],
  'port-restricted': [ADDRESS, PORT],
  symmetric: undefined,
  'symmetric-sequential': undefined,
};

/** Which host inside owns an external port, and whom it has contacted from there. */
function memory(remote: readonly Part[], seconds: number): string {
  const types = ['inet_service', ...remote.map(({ type }) => type)].join(' . ');
  const contact = ['udp sport', ...remote.map(({ to }) => to)].join(' . ');
  return `
  map owners { type inet_service : ipv4_addr; flags dynamic,timeout; timeout ${seconds}s; }
  set contacted { type ${types}; flags dynamic,timeout; timeout ${seconds}s; }
  chain note { type filter hook prerouting priority -150; policy accept;
    iifname "lan*" meta l4proto udp update @owners { udp sport : ip saddr } update @contacted { ${contact} }
  }
`;
}

function outbound(nat: Translation, external: string): string {
  const udp = 'oifname "wan" meta l4proto udp';
  switch (nat) {
    case 'symmetric':
      return `${udp} masquerade to :1024-65535 fully-random`;
    case 'symmetric-sequential': {
      const { first, count } = SEQUENTIAL;
      const ports = Array.from({ length: count }, (_, i) => `${i} : ${first + i}`).join(', ');
      return `${udp} snat to ${external} : numgen inc mod ${count} map { ${ports} }`;
    }
    default:
      // Linux keeps the source port when it can.
      return '';
  }
}

// Unsolicited UDP is dropped silently: an answer, or a connection-tracking entry left behind by it, would make the
// router move the host's own later packet to another port.
function filter(rules: RouterRules): string {
  const drops = [
    rules.v4Lost === true ? 'drop' : '',
    rules.passes === 'nothing' ? 'drop' : '',
    rules.passes === 'no-udp' ? 'meta l4proto udp drop' : '',
    rules.isolates === true ? 'iifname "lan*" oifname "lan*" ct status & dnat == 0 drop' : '',
  ];
  return `
table ip filter {
  chain input { type filter hook input priority 0; policy accept;
    ${rules.nat === 'open' ? '' : 'iifname "wan" meta l4proto udp drop'}
    ${rules.hairpin === true ? `iifname "lan*" ip daddr ${rules.external} meta l4proto udp drop` : ''}
    ${rules.v4Lost === true ? 'meta l4proto { udp, tcp } drop' : ''}
  }
  chain forward { type filter hook forward priority 0; policy accept;
${drops
  .filter((drop) => drop !== '')
  .map((drop) => `    ${drop}`)
  .join('\n')}
  }
}
`;
}

function filter6(rules: RouterRules): string {
  const v6 = rules.passes === 'nothing' ? 'lost' : (rules.v6 ?? 'firewall');
  const lines = {
    open: '',
    lost: 'drop',
    firewall: 'iifname "wan" ct state established,related accept\n    iifname "wan" drop',
  }[v6];
  return `
table ip6 filter {
  chain forward { type filter hook forward priority 0; policy accept;
    ${rules.passes === 'no-udp' ? 'meta l4proto udp drop' : ''}
    ${lines}
  }
}
`;
}

function fail(text: string): never {
  throw new RangeError(text);
}
