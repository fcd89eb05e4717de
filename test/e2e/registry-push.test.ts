import assert from 'node:assert/strict';
import { it } from 'node:test';
import { measurePush } from './registry-push.ts';

it('a daemon at one instance is told what was approved at another', async () => {
  const { approvals } = await measurePush(20);
  assert.ok(approvals >= 20);
});
