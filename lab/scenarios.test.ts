import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { beaconKilled, natReboot, registryDown } from './scenarios/outages.ts';
import { lineOf, type Measured } from './scenarios/record.ts';
import { RoamingWorld } from './scenarios/roaming-world.ts';
import { runSwitch, SWITCHES } from './scenarios/switches.ts';
import { whyNoShaper } from './shaper.ts';
import { whyNoNamespaces } from './shell.ts';

/** The short form of `npm run roaming`. Twice what is allowed there: other tests run on this machine meanwhile. */
const PATIENCE = 2;
const ALLOWED = 5_000;

const skip = whyNoNamespaces() ?? whyNoShaper() ?? false;

describe('two agents', { skip }, () => {
  const world = new RoamingWorld(`ps${process.pid % 10_000}`);
  before(() => world.up({ a: { uplink: 1, kind: 'dual' }, b: { uplink: 1, kind: 'dual' } }));
  after(() => world.down());

  const holds = (results: readonly Measured[], tell: (text: string) => void): void => {
    for (const result of results) {
      tell(lineOf(result));
      assert.ok(result.time !== null, `${result.name}: traffic did not come back (${result.note})`);
      const allowed = PATIENCE * (result.allowed ?? ALLOWED);
      assert.ok(result.time < allowed, `${result.name}: ${result.time} ms, allowed ${allowed}`);
    }
  };

  it('finish a file while one of them loses both its families to a network with one', async (t) => {
    const change = SWITCHES.find(({ name }) => name === 'dual → v6 on A');
    assert.ok(change !== undefined);
    holds([await runSwitch(world, 'switch', change, 3_000_000)], (text) => t.diagnostic(text));
  });

  it('finish a file while a NAT that gives random ports forgets them all', async (t) => {
    holds([await natReboot(world, 'b', 'symmetric')], (text) => t.diagnostic(text));
  });

  it('finish a file while the beacon that relays it is killed', async (t) => {
    holds([await beaconKilled(world)], (text) => t.diagnostic(text));
  });

  it('talk, start anew and move while the registry is away', async (t) => {
    holds(await registryDown(world, 3_000), (text) => t.diagnostic(text));
  });
});
