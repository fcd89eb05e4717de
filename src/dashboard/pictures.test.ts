import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placed } from './circles.ts';
import { spread, step } from './force.ts';

const dice = (n: number): number => (Math.imul(n + 7, 0x9e3779b1) >>> 0) / 2 ** 32;

test('circles never lie on each other, and stay together', () => {
  for (let run = 0; run < 40; run++) {
    const count = run === 0 ? 0 : 1 + Math.floor(dice(run) * 40);
    const radii = Array.from({ length: count }, (_, i) => 5 + dice(run * 100 + i) ** 3 * 90).sort(
      (a, b) => b - a,
    );
    const circles = placed(radii);
    assert.deepEqual(
      circles.map(({ r }) => r),
      radii,
    );
    for (const [i, a] of circles.entries()) {
      for (const b of circles.slice(i + 1))
        assert.ok(Math.hypot(a.x - b.x, a.y - b.y) >= a.r + b.r, `run ${run}`);
    }
    const outer = Math.max(0, ...circles.map(({ x, y, r }) => Math.hypot(x, y) + r));
    const area = radii.reduce((sum, r) => sum + r * r, 0);
    if (count > 5) assert.ok(outer ** 2 < area * 5, `run ${run}: ${outer ** 2 / area}`);
  }
});

test('a graph comes to rest with its neighbours together and nobody lost', () => {
  const links: [number, number][] = [];
  for (let i = 0; i < 60; i++) if (i % 20 !== 0) links.push([i - (i % 20), i]);
  const weights = Array.from({ length: 60 }, (_, i) => links.filter((link) => link.includes(i)).length);
  const bodies = spread(weights);
  for (let i = 0; i < 260; i++) step(bodies, links, 1 - i / 260, 2);
  for (const { x, y } of bodies)
    assert.ok(Number.isFinite(x) && Number.isFinite(y) && Math.hypot(x, y) < 5000);
  const far = (a: number, b: number): number =>
    Math.hypot(bodies[a]!.x - bodies[b]!.x, bodies[a]!.y - bodies[b]!.y);
  const linked = links.reduce((sum, [a, b]) => sum + far(a, b), 0) / links.length;
  const hubs = (far(0, 20) + far(20, 40) + far(0, 40)) / 3;
  assert.ok(linked < hubs, `${linked} < ${hubs}`);
  const [width, height] = (['x', 'y'] as const).map(
    (axis) => Math.max(...bodies.map((body) => body[axis])) - Math.min(...bodies.map((body) => body[axis])),
  );
  assert.ok(width! > height!, 'wider than high');
});
