import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  containsPorts,
  formatPorts,
  hasPort,
  intersectPorts,
  isPortsText,
  type Ports,
  parsePorts,
} from './ports.ts';

const port = fc.integer({ min: 0, max: 65_535 });
const texts = fc
  .array(
    fc.tuple(port, fc.integer({ min: 0, max: 300 })).map(([first, more]) => {
      const last = Math.min(65_535, first + more);
      return last === first ? `${first}` : `${first}-${last}`;
    }),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(','));
const sets = fc.oneof(fc.constantFrom('*', ''), texts).map((text) => parsed(text));

describe('sets of ports', () => {
  it('are written in one way, whatever way they were typed', () => {
    assert.equal(formatPorts(parsed(' 1001 ,80, 7005-7010,7000 - 7004')), '80,1001,7000-7010');
    assert.equal(formatPorts(parsed('1-5,4-9,10')), '1-10');
    assert.equal(formatPorts(parsed('0-65535')), '*');
    assert.equal(formatPorts(parsed('')), '');
    assert.ok(isPortsText('80,1001') && !isPortsText('1001,80') && !isPortsText('80, 1001'));
  });

  it('are refused when they are none', () => {
    const many = Array.from({ length: 65 }, (_, i) => 2 * i).join(',');
    for (const text of ['x', '80,', ',', '-1', '80-', '90-80', '65536', '1.5', '8 0', '**', '*,80', many])
      assert.equal(parsePorts(text), undefined, text);
  });

  it('survive writing and reading', () => {
    fc.assert(
      fc.property(sets, (ports) => {
        assert.deepEqual(parsePorts(formatPorts(ports)), ports);
        assert.ok(isPortsText(formatPorts(ports)));
      }),
    );
  });

  it('intersect as sets do', () => {
    fc.assert(
      fc.property(sets, sets, port, (a, b, one) => {
        const both = intersectPorts(a, b);
        assert.equal(hasPort(both, one), hasPort(a, one) && hasPort(b, one));
        assert.ok(containsPorts(a, both) && containsPorts(b, both));
        assert.equal(containsPorts(a, b), formatPorts(both) === formatPorts(b));
      }),
    );
  });
});

function parsed(text: string): Ports {
  const ports = parsePorts(text);
  assert.ok(ports !== undefined, text);
  return ports;
}
