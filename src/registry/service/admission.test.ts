import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { random } from '../registry.testkit.ts';
import { Admission } from './admission.ts';

const MINUTE = 60_000;

describe('admission', () => {
  it('asks nobody to wait while few come', () => {
    const admission = new Admission(random);
    for (let now = 1000; now < 60_000; now += 10) assert.ok(admission.place('a', now) - now < 5);
  });

  it('spreads those who come at once over the time that their registrations take', () => {
    const admission = new Admission(random);
    const places = Array.from({ length: 20_000 }, (_, i) => admission.place(`host ${i % 500}`, 1000));
    for (let second = 0; second < 20; second++) {
      const from = 1000 + second * 1000;
      const here = places.filter((at) => at >= from && at < from + 1000).length;
      assert.ok(here >= 790 && here <= 810, `${here} in second ${second}`);
    }
  });

  it('sends nobody away for more than a minute, whoever comes', () => {
    const admission = new Admission(random);
    for (let i = 0; i < 200_000; i++) assert.ok(admission.place(`${i % 3000}`, 5000) <= 5000 + MINUTE);
  });

  it('lets no single source delay the others by more than its share', () => {
    const admission = new Admission(random);
    for (let i = 0; i < 500_000; i++) admission.place('flood', 1000);
    assert.ok(admission.place('fleet', 1000) - 1000 <= 11_000);
    // Many in one place are not kept out either: they have a plan of their own.
    const fleet = Array.from({ length: 30_000 }, () => admission.place('fleet', 1000));
    assert.ok(fleet.every((at) => at <= 1000 + MINUTE));
    assert.ok(fleet.filter((at) => at < 1000 + MINUTE / 2).length > 20_000);
  });

  it('plans fewer when clients wait for their turn, and more when they do not', () => {
    const admission = new Admission(random);
    const before = admission.rate;
    admission.felt(400);
    admission.place('a', 10_000);
    assert.ok(admission.rate < before);
    for (let now = 10_000; now < 20_000; now += 100) {
      for (let i = 0; i < 1000; i++) admission.place(`${i}`, now);
    }
    assert.ok(admission.rate > before);
    for (let now = 20_000; now < 60_000; now += 600) {
      admission.felt(10_000);
      admission.place('a', now);
    }
    assert.equal(admission.rate, 50);
  });
});
