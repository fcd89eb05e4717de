/**
 * NAT kinds as nftables rule sets for a router whose public interface is `wan` and whose private one is `lan`.
 * Names are the customary ones; the comments give the behaviour in RFC 4787 terms.
 */
export const NAT_KINDS = [
  'full-cone',
  'address-restricted',
  'port-restricted',
  'symmetric',
  'udp-blocked',
] as const;
export type NatKind = (typeof NAT_KINDS)[number];

// Unsolicited UDP is dropped silently: an answer, or a connection-tracking entry left behind by it, would make the
// router move the host's own later punch to another port.
const DROP_UNSOLICITED = `
table ip filter {
  chain input { type filter hook input priority 0; policy accept;
    iifname "wan" ip protocol udp drop
  }
}
`;

const MASQUERADE = `
  chain post { type nat hook postrouting priority 100; policy accept;
    oifname "wan" masquerade
  }
`;

/** The rules for one router; `host` is the only host behind it. */
export function natRules(kind: NatKind, host: string): string {
  switch (kind) {
    // Endpoint-independent mapping and filtering.
    case 'full-cone':
      return `
table ip nat {
  chain pre { type nat hook prerouting priority -100; policy accept;
    iifname "wan" ip protocol udp dnat to ${host}
  }
${MASQUERADE}
}
`;
    // Endpoint-independent mapping, address-dependent filtering.
    case 'address-restricted':
      return `
table ip nat {
  set contacted { type ipv4_addr; flags dynamic,timeout; timeout 120s; }
  chain note { type filter hook forward priority -10; policy accept;
    iifname "lan" ip protocol udp update @contacted { ip daddr }
  }
  chain pre { type nat hook prerouting priority -100; policy accept;
    iifname "wan" ip protocol udp ip saddr @contacted dnat to ${host}
  }
${MASQUERADE}
}
${DROP_UNSOLICITED}
`;
    // Endpoint-independent mapping, address and port-dependent filtering: plain Linux masquerading.
    case 'port-restricted':
      return `
table ip nat {
${MASQUERADE}
}
${DROP_UNSOLICITED}
`;
    // Address and port-dependent mapping: a new random port for every destination.
    case 'symmetric':
      return `
table ip nat {
  chain post { type nat hook postrouting priority 100; policy accept;
    oifname "wan" ip protocol udp masquerade to :20000-60000 fully-random
    oifname "wan" masquerade
  }
}
${DROP_UNSOLICITED}
`;
    case 'udp-blocked':
      return `
table ip nat {
${MASQUERADE}
}
table ip filter {
  chain forward { type filter hook forward priority 0; policy accept;
    ip protocol udp drop
  }
}
`;
    default:
      return kind satisfies never;
  }
}
