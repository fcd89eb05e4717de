/** What every store must do, run on each of them. */
import { test } from 'node:test';
import { auditContract } from './contract-audit.testkit.ts';
import { networksContract } from './contract-networks.testkit.ts';
import { nodesContract } from './contract-nodes.testkit.ts';
import { operatorsContract } from './contract-operators.testkit.ts';
import { trustContract } from './contract-trust.testkit.ts';
import type { Check } from './fixtures.testkit.ts';
import type { Store } from './store.ts';

export function storeContract(name: string, open: () => Promise<Store>): void {
  const check: Check = (title, body) => {
    test(`${name} store: ${title}`, async () => {
      const store = await open();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });
  };
  nodesContract(check);
  trustContract(check);
  networksContract(check);
  auditContract(check);
  operatorsContract(check);
}
