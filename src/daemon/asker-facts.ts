import { equal } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import { decodeBase64 } from '../wire/base64.ts';
import { decodeNodeRecord, verifyNodeRecord } from '../wire/node-record.ts';
import type { FactSource } from './auto-approval.ts';
import type { RegistryClient } from './registry-client.ts';

/**
 * Asked of the registry each time: what it said an hour ago is good enough to keep a trust, not to make one.
 * Errors: those of the registry.
 */
export function registryFacts(options: {
  registry: RegistryClient;
  crypto: Crypto;
  networkName: (network: number) => string;
}): FactSource {
  const { registry, crypto, networkName } = options;
  return {
    async networks(peer) {
      const { shared } = await registry.networks.relation(peer);
      return shared.map(({ network, tags }) => ({ id: network, name: networkName(network), tags }));
    },
    async tags(peer, key) {
      const { record: text } = await registry.lookup(peer, key);
      const record = text === undefined ? 'none' : decodeNodeRecord(text);
      if (typeof record === 'string' || record.node !== peer) return [];
      const named = decodeBase64(record.key);
      const isOwn = named !== undefined && equal(named, key) && verifyNodeRecord(crypto, record, key);
      return isOwn ? record.tags : [];
    },
  };
}
