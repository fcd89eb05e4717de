import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../../base/units.ts';
import { nodeRandom } from '../../platform/random.ts';
import { MAX_DIRECT, PATH_DEFAULTS } from './constants.ts';
import type { PathOrigin } from './path.ts';
import { Paths } from './paths.ts';

const at = (port: number): Endpoint => ({ host: '192.0.2.1', port });

function full(origin: PathOrigin): Paths {
  const paths = new Paths({ config: PATH_DEFAULTS, random: nodeRandom() });
  for (let port = 1; port <= MAX_DIRECT; port++) assert.ok(paths.add('direct', at(port), origin, 0));
  return paths;
}

test('an endpoint the peer was heard at displaces those a beacon named, never the other way round', () => {
  const paths = full('commanded');
  for (let port = 101; port <= 100 + MAX_DIRECT; port++) assert.ok(paths.add('direct', at(port), 'heard', 1));
  assert.equal(paths.add('direct', at(201), 'commanded', 2), undefined);
  assert.ok(paths.all.every((path) => path.origin === 'heard'));
});

test('endpoints the directory no longer names give way; those it names still do not', () => {
  const paths = full('registered');
  assert.equal(paths.add('direct', at(100), 'heard', 1), undefined);
  paths.outdateNamed();
  paths.add('direct', at(3), 'registered', 1);
  for (let port = 101; port < 100 + MAX_DIRECT; port++) assert.ok(paths.add('direct', at(port), 'heard', 1));
  assert.ok(paths.find(false, at(3)));
});

test('a path given up in the middle of a series of probes can be probed again', () => {
  const paths = new Paths({ config: PATH_DEFAULTS, random: nodeRandom() });
  const path = paths.add('direct', at(1), 'registered', 0)!;
  paths.answered(path, 10, 10);
  path.burst(20);
  for (let now = 20; path.phase !== 'failed'; now++) {
    assert.ok(now < 10_000);
    for (const probed of paths.work(now).probe) probed.probed(now);
  }
  path.heard(20_000);
  assert.deepEqual(paths.work(20_000).probe, [path]);
});
