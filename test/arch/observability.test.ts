import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVENT_FAMILIES, EVENTS } from '../../src/api/events.ts';
import { METRICS } from '../../src/api/metrics.ts';
import { REGISTRY_METRICS } from '../../src/api/registry-metrics.ts';
import { isTest, readText, sources } from './sources.testkit.ts';

const product = sources('src').filter(({ path }) => !isTest(path) && path !== 'src/api/events.ts');

const CATALOGUES = { 'A daemon': METRICS, 'A registry': REGISTRY_METRICS };

describe('the catalogues of metrics', () => {
  it('are those in docs/metrics.md', () => {
    const sections = readText('docs/metrics.md').split(/^## /m);
    for (const [title, metrics] of Object.entries(CATALOGUES)) {
      const section = sections.find((text) => text.startsWith(`${title}\n`)) ?? '';
      const documented = [
        ...section.matchAll(/^\| `(pilot_\w+)` \| (\w+) \| ([\w, ]*?) ?\| (.+?) \|$/gm),
      ].map(([, name, type, labels, help]) => ({ name, type, labels, help }));
      const catalogue = Object.entries(metrics).map(([name, { type, labels, help }]) => ({
        ...{ name, type, labels: labels.join(', '), help },
      }));
      assert.deepEqual(documented, catalogue);
    }
  });

  it('name units: seconds and bytes, and a total on what only grows', () => {
    for (const [name, { type }] of Object.values(CATALOGUES).flatMap((metrics) => Object.entries(metrics))) {
      // Old registries call two gauges a total, and readers of theirs know them so.
      const total = name.endsWith('_total') && !['pilot_nodes_total', 'pilot_networks_total'].includes(name);
      assert.equal(total, type === 'counter', name);
      assert.doesNotMatch(name, /_(?:ms|millis|kb|mb|minutes)(?:_|$)/);
      if (type === 'histogram') assert.match(name, /_seconds$/);
    }
  });
});

describe('the catalogue of events', () => {
  it('is the one in docs/events.md', () => {
    const documented = [
      ...readText('docs/events.md').matchAll(/^\| `([a-z_]+\.[a-z_]+)` \| (\w+) \| (.*?) ?\| (.+?) \|$/gm),
    ].map(([, name, level, fields, meaning]) => ({ name, level, fields, meaning }));
    const catalogue = Object.entries(EVENTS).map(([name, { level, fields, meaning }]) => ({
      ...{ name, level, fields: fields.map((field) => `\`${field}\``).join(', '), meaning },
    }));
    assert.deepEqual(documented, catalogue);
  });

  it('has every event of its families that the sources make, and none that they do not', () => {
    const made = new Set(
      product.flatMap(({ text }) => [...text.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(([, name]) => name!)),
    );
    // Made from the state: `registry.${state}`.
    for (const state of ['connected', 'disconnected']) made.add(`registry.${state}`);
    const names = Object.keys(EVENTS);
    assert.deepEqual(
      names.filter((name) => !made.has(name)),
      [],
    );
    const missing = [...made].filter(
      (name) => EVENT_FAMILIES.some((family) => name.startsWith(family)) && !names.includes(name),
    );
    assert.deepEqual(missing, []);
  });
});
