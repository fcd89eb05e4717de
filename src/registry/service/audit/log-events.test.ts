import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crypto, identity, ManualClock, random, TestConnection } from '../../registry.testkit.ts';
import { memoryStore } from '../../store/memory.ts';
import { createRegistryService } from '../service.ts';

test('the operator reads who changed what about networks, without any secret', async () => {
  const events: object[] = [];
  const log = {
    event: (level: string, name: string, fields: object = {}) => {
      if (level === 'info') events.push({ name, ...fields });
    },
  };
  const clock = new ManualClock();
  const config = { adminToken: 'operator' };
  const service = createRegistryService({ store: memoryStore(), clock, random, crypto, log, config });
  const connections = [1, 2].map(
    (n) => new TestConnection(service, clock, { host: '198.51.100.1', port: n }),
  );
  const [owner, member] = connections as [TestConnection, TestConnection];
  const [a, b] = [await owner.registerProven(identity(1)), await member.registerProven(identity(2))];
  const network = { node_id: a, network_id: 1 };
  await owner.signed(identity(1), {
    type: 'create_network',
    node_id: a,
    name: 'secret-name',
    join_rule: 'token',
    token: 'secret-token',
  });
  await member.signed(identity(2), {
    type: 'join_network',
    node_id: b,
    network_id: 1,
    token: 'secret-token',
  });
  await owner.signed(identity(1), { type: 'promote_member', ...network, target_node_id: b });
  await member.signed(identity(2), { type: 'delete_network', node_id: b, network_id: 1 });
  await owner.send({ type: 'delete_network', network_id: 1, admin_token: 'operator', request_id: 1 });
  assert.deepEqual(events, [
    { name: 'registry.audit', action: 'network.created', by: 'node:1', node: 1, network: 1 },
    { name: 'registry.audit', action: 'network.joined', by: 'node:2', node: 2, network: 1 },
    { name: 'registry.audit', action: 'member.promoted', by: 'node:1', target: 2, network: 1 },
    { name: 'registry.audit', action: 'network.deleted', by: 'operator', network: 1 },
  ]);
  assert.doesNotMatch(JSON.stringify(events), /secret/);
});
