/**
 * What the best program could reach in a cell, from the behaviour of its routers alone (RFC 4787 terms). The product's
 * own judgement shares no code with this.
 */
import type { Access, Cell } from './cells.ts';
import type { Translation } from './router-rules.ts';

export interface Possible {
  readonly path: 'lan' | 'direct' | 'relay';
  /** `guess`: only by hitting a port nobody can know, so not in every run. */
  readonly by: 'address' | 'punch' | 'prediction' | 'guess' | 'nothing';
  /** What `pilotctl why` on the dialling side may name as the cause, once nothing is under way. */
  readonly causes: readonly string[];
}

export function possible(cell: Cell): Possible {
  const { a, b } = cell;
  if (cell.together === 'switch' || cell.secondInterface === true) return direct('lan', 'address');
  if (blocked(a)) return relay('udp_blocked_here');
  if (blocked(b)) return relay('udp_blocked_there');
  // A stateful firewall maps nothing, so each knows the other's address and both send.
  if (speaks(a, '6') && speaks(b, '6')) return direct('direct', 'punch');
  if (!speaks(a, '4') || !speaks(b, '4')) return relay('no_common_family');
  const [natA, natB] = [outermost(a), outermost(b)];
  if (cell.together !== undefined) {
    return cell.hairpin === true && !symmetric(natA) && !symmetric(natB)
      ? direct('direct', 'punch')
      : relay('no_hairpin');
  }
  if (symmetric(natA) && symmetric(natB)) {
    const known = natA === 'symmetric-sequential' && natB === 'symmetric-sequential';
    return known ? direct('direct', 'prediction') : relay('both_symmetric');
  }
  if (!symmetric(natA) && !symmetric(natB)) {
    return direct('direct', lets(natA) || lets(natB) ? 'address' : 'punch');
  }
  const [hard, easy] = symmetric(natA) ? [natA, natB] : [natB, natA];
  // The easy side learns the hard one's new port from the packet itself, if that is let in.
  if (easy !== 'port-restricted') return direct('direct', 'punch');
  if (hard === 'symmetric-sequential') return direct('direct', 'prediction');
  return { path: 'direct', by: 'guess', causes: ['direct', 'symmetric_vs_port_restricted'] };
}

function direct(path: 'lan' | 'direct', by: Possible['by']): Possible {
  return { path, by, causes: [path === 'lan' ? 'same_lan' : 'direct'] };
}

function relay(cause: string): Possible {
  return { path: 'relay', by: 'nothing', causes: [cause] };
}

function blocked({ passes }: Access): boolean {
  return passes !== undefined;
}

function speaks({ families = '4', lost }: Access, family: '4' | '6'): boolean {
  return families.includes(family) && lost !== family;
}

/** Two translators in a row behave as the harder one; of equal ones it does not matter which. */
function outermost({ nat, carrier, gives }: Access): Translation {
  // A port that was asked for is open to everybody.
  if (gives !== undefined && carrier === undefined) return 'full-cone';
  if (carrier === undefined) return nat;
  const order: readonly Translation[] = [
    'open',
    'full-cone',
    'address-restricted',
    'port-restricted',
    'symmetric-sequential',
    'symmetric',
  ];
  return order.indexOf(carrier) > order.indexOf(nat) ? carrier : nat;
}

function symmetric(nat: Translation): boolean {
  return nat === 'symmetric' || nat === 'symmetric-sequential';
}

function lets(nat: Translation): boolean {
  return nat === 'open' || nat === 'full-cone';
}
