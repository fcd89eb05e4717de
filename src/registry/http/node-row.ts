import type { NodeRow, ServiceRow } from '../../api/dashboard.ts';
import type { Millis, UnixMillis } from '../../base/units.ts';
import { formatAddress } from '../../wire/address.ts';
import { isJsonObject } from '../../wire/json.ts';
import type { DescribedNode, Store } from '../store/store.ts';

/** With whose eyes nodes are looked at. */
export interface Sight {
  readonly store: Store;
  readonly staleAfter: Millis;
  /** Private nodes, too. */
  readonly all: boolean;
  readonly now: UnixMillis;
}

export function nodeRow({ node, record }: DescribedNode, { now, staleAfter }: Sight): NodeRow {
  return {
    id: node.id,
    address: formatAddress({ network: 0, node: node.id }),
    hostname: node.hostname,
    tags: node.tags,
    online: now - node.lastSeen < staleAfter,
    services: servicesOf(record),
    public: node.public,
  };
}

/** Records were verified when they were taken. */
function servicesOf(record: string): ServiceRow[] {
  if (record === '') return [];
  const { services } = JSON.parse(record) as { services?: unknown };
  if (!Array.isArray(services)) return [];
  return services.filter(isJsonObject).map(({ name, port, description }) => ({
    name: String(name),
    port: Number(port),
    description: String(description ?? ''),
  }));
}
