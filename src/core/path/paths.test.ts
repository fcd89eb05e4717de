import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeRandom } from '../../platform/random.ts';
import { MAX_DIRECT, MAX_RELAYS, PATH_DEFAULTS, STALE } from './constants.ts';
import { Path } from './path.ts';
import { Paths } from './paths.ts';

const endpoint = (n: number): { host: string; port: number } => ({ host: `192.0.2.${n}`, port: 4000 });

test('nothing is selected before a probe is answered, and the answer decides', () => {
  const paths = fresh();
  const a = paths.add('direct', endpoint(1), 'registered', 0)!;
  a.heard(5);
  assert.equal(paths.selected, undefined);
  assert.equal(paths.answered(a, 20, 20)?.path, a);
  assert.equal(paths.selected, a);
});

test('a LAN path beats a direct one, and a direct one beats the relay, however fast that is', () => {
  const paths = fresh();
  const relay = paths.add('relay', endpoint(1), 'beacon', 0)!;
  const direct = paths.add('direct', endpoint(2), 'registered', 0)!;
  const lan = paths.add('lan', endpoint(3), 'lan', 0)!;
  for (const [path, rtt] of [
    [relay, 1],
    [direct, 100],
    [lan, 200],
  ] as const) {
    paths.answered(path, rtt, 10);
    assert.equal(paths.selected, path);
  }
  assert.equal(paths.answered(relay, 1, 20), undefined);
});

test('between equals only a clearly faster path takes over', () => {
  const paths = fresh();
  const first = paths.add('direct', endpoint(1), 'registered', 0)!;
  const second = paths.add('direct', endpoint(2), 'commanded', 0)!;
  first.heard(1);
  paths.answered(first, 40, 10);
  assert.equal(paths.answered(second, 35, 20), undefined);
  assert.equal(paths.answered(second, 20, 30)?.path, second);
});

test('two probes without an answer end a path, one after a long silence; being heard forgives', () => {
  for (const [idle, misses] of [
    [0, 2],
    [2 * STALE, 1],
  ] as const) {
    const paths = fresh();
    const path = paths.add('direct', endpoint(1), 'registered', 0)!;
    paths.answered(path, 10, 10);
    let sent = 0;
    let now = 11 + idle;
    paths.use(now);
    for (; paths.selected !== undefined; now += 10) {
      for (const probe of paths.work(now).probe) {
        sent++;
        probe.probed(now);
      }
      assert.ok(now < idle + 3000);
    }
    assert.equal(sent, misses);
    assert.equal(path.phase, 'failed');
    path.heard(now);
    assert.equal(path.phase, 'unproven');
    assert.equal(paths.answered(path, 10, now)?.reason, 'no_answer');
  }
});

test('frames heard on the path keep it, answers or not', () => {
  const paths = fresh();
  const path = paths.add('direct', endpoint(1), 'registered', 0)!;
  paths.answered(path, 10, 10);
  for (let now = 10; now < 20_000; now += 100) {
    paths.use(now);
    for (const probe of paths.work(now).probe) probe.probed(now);
    path.heard(now);
  }
  assert.equal(paths.selected, path);
});

test('while nothing is proven a frame goes first where the peer was heard, then to relays, then to what is registered', () => {
  const paths = fresh();
  const registered = paths.add('direct', endpoint(1), 'registered', 0)!;
  const relay = paths.add('relay', endpoint(2), 'beacon', 0)!;
  const suggested = paths.add('direct', endpoint(3), 'exchange', 0)!;
  assert.deepEqual(paths.likeliest(), [relay, registered, suggested]);
  suggested.heard(10);
  assert.deepEqual(paths.likeliest(), [suggested, relay, registered]);
});

test('candidates are bounded, and what replays suggest never drives out anything better', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          n: fc.integer({ min: 1, max: 60 }),
          kind: fc.constantFrom('direct' as const, 'relay' as const, 'lan' as const),
          answered: fc.boolean(),
        }),
        { maxLength: 100 },
      ),
      (steps) => {
        const paths = fresh();
        const registered = paths.add('direct', { host: '198.51.100.1', port: 1 }, 'registered', 0);
        const proven = new Set<Path>();
        steps.forEach(({ n, kind, answered }, now) => {
          const path = paths.add(kind, endpoint(n), kind === 'lan' ? 'lan' : 'exchange', now);
          if (path !== undefined && answered) {
            paths.answered(path, 10, now);
            proven.add(path);
          }
        });
        const direct = paths.all.filter((path) => !path.relay);
        assert.ok(direct.length <= MAX_DIRECT);
        assert.ok(paths.all.length - direct.length <= MAX_RELAYS);
        assert.ok(paths.all.includes(registered!));
        for (const path of proven) assert.ok(paths.all.includes(path));
      },
    ),
  );
});

test('attempts to leave the relay grow rarer, down to one a minute, and end with the traffic', () => {
  const paths = fresh();
  const relay = paths.add('relay', endpoint(1), 'beacon', 0)!;
  const at: number[] = [];
  for (let now = 0; now < 400_000; now += 20) {
    if (now % 1000 === 0) paths.answered(relay, 10, now);
    if (now < 300_000) paths.use(now);
    if (paths.work(now).upgrade) at.push(now);
  }
  assert.ok(at[0]! <= 1100);
  assert.ok(at[1]! - at[0]! <= 1200);
  assert.ok(at.length >= 8 && at.length <= 13, `${at.length} attempts`);
  const idle = fresh();
  idle.use(0);
  let attempts = 0;
  for (let now = 0; now < 200_000; now += 20) if (idle.work(now).upgrade) attempts++;
  assert.ok(attempts <= 7, `${attempts} attempts`);
  assert.equal(idle.nextTimeout(), Number.POSITIVE_INFINITY);
});

test('a node that uses only relays takes no direct candidate', () => {
  const paths = fresh({ relayOnly: true });
  assert.equal(paths.add('direct', endpoint(1), 'registered', 0), undefined);
  assert.equal(paths.add('lan', endpoint(1), 'lan', 0), undefined);
  assert.ok(paths.add('relay', endpoint(1), 'beacon', 0) !== undefined);
});

function fresh(config = {}): Paths {
  return new Paths({ config: { ...PATH_DEFAULTS, ...config }, random: nodeRandom() });
}

test('a probe under a key that the peer may not have costs the path nothing', () => {
  const path = new Path('direct', { host: '203.0.113.1', port: 4000 }, 'told', 0);
  path.answered(20, 0);
  path.probed(10, false);
  assert.equal(path.asking, false);
  path.probed(20);
  assert.equal(path.asking, true);
});
