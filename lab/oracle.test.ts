import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Access, CELLS, PAIRS } from './cells.ts';
import { possible } from './oracle.ts';

describe('the oracle', () => {
  it('gives the same path to both directions of a pair', () => {
    for (const cell of CELLS) {
      if (cell.secondInterface === true) continue;
      const there = possible(cell);
      const back = possible({ ...cell, a: cell.b, b: cell.a });
      assert.equal(back.path, there.path, cell.id);
      assert.equal(back.by, there.by, cell.id);
    }
  });

  it('knows a direct path for all of the sixteen pairs but two symmetric NATs', () => {
    const relayed = PAIRS.filter((cell) => possible(cell).path === 'relay').map(({ id }) => id);
    assert.deepEqual(relayed, ['symmetric × symmetric']);
  });

  it('takes two routers in a row for the harder one', () => {
    const home: Access = { nat: 'port-restricted' };
    const behind = (carrier: Access['carrier']): string => {
      const access: Access = { nat: 'full-cone', ...(carrier === undefined ? {} : { carrier }) };
      return possible({ id: '', a: access, b: home }).by;
    };
    assert.equal(behind(undefined), 'address');
    assert.equal(behind('port-restricted'), 'punch');
    assert.equal(behind('symmetric'), 'guess');
    assert.equal(behind('symmetric-sequential'), 'prediction');
  });

  it('names the side whose network blocks UDP as the dialling host sees it', () => {
    const open: Access = { nat: 'open' };
    const shut: Access = { nat: 'open', passes: 'no-udp' };
    assert.deepEqual(possible({ id: '', a: shut, b: open }).causes, ['udp_blocked_here']);
    assert.deepEqual(possible({ id: '', a: open, b: shut }).causes, ['udp_blocked_there']);
  });

  it('prefers IPv6 to any NAT, unless it is lost on one side', () => {
    const dual: Access = { nat: 'symmetric', families: '46' };
    assert.equal(possible({ id: '', a: dual, b: dual }).path, 'direct');
    assert.equal(possible({ id: '', a: { ...dual, lost: '6' }, b: dual }).path, 'relay');
  });
});

describe('cells', () => {
  it('have names of their own', () => {
    assert.equal(new Set(CELLS.map(({ id }) => id)).size, CELLS.length);
  });
});
