import assert from 'node:assert/strict';
import { it } from 'node:test';
import { killRounds } from './registry-kill.ts';

it('a registry killed at random moments loses nothing it acknowledged', async () => {
  const { registrations, hostnames, trust, heartbeats, rounds } = await killRounds(10);
  assert.equal(rounds, 10);
  assert.equal(registrations > 0 && hostnames > 0 && trust > 0 && heartbeats > 0, true);
});
