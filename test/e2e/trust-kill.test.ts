import assert from 'node:assert/strict';
import { it } from 'node:test';
import { trustKill } from './trust-kill.ts';

it('both ends and the registry agree on trust, whoever was killed when', async () => {
  const { changes, kills } = await trustKill(200);
  assert.ok(changes >= 200);
  assert.ok(kills.daemons + kills.registry > 0);
});
