import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withFaults } from './registry-instances.ts';

it('three instances lose nothing and do nothing twice, whoever of them or the database dies', async () => {
  const { operations, faults, registrations } = await withFaults(200, 5);
  assert.equal(faults.length, 5);
  assert.ok(operations >= 200 && registrations > 0, `${operations} operations, ${registrations} nodes`);
});
