import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pair } from './tunnel.testkit.ts';

test('two open hosts exchange keys and the first packet arrives', () => {
  const { internet, a, b } = pair('open', { beacon: false });
  assert.equal(a.say(2, 'hello'), 'queued');
  const took = internet.until(() => b.heard().includes('hello'));
  assert.ok(took <= 40, `${took} ms`);
  b.say(1, 'hi');
  internet.run(200);
  assert.deepEqual(a.heard(), ['hi']);
  assert.equal(a.path(2), 'direct');
  assert.equal(b.path(1), 'direct');
});

test('two symmetric NATs talk through the beacon within half a second', () => {
  const { internet, a, b } = pair('relay', { a: 'symmetric', b: 'symmetric' });
  a.say(2, 'hello');
  const took = internet.until(() => b.heard().includes('hello'));
  assert.ok(took <= 500, `${took} ms`);
  b.say(1, 'hi');
  internet.run(1000);
  assert.deepEqual(a.heard(), ['hi']);
  assert.equal(a.path(2), 'relay');
});

test('two port-restricted NATs are punched', () => {
  const { internet, a, b } = pair('punch', { a: 'port', b: 'port' });
  a.say(2, 'hello');
  const took = internet.until(() => a.path(2) === 'direct' && b.path(1) === 'direct', 3000);
  assert.ok(took <= 1000, `${took} ms`);
  assert.deepEqual(b.heard(), ['hello']);
});
