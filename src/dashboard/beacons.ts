import type { BeaconRow, Beacons } from '../api/dashboard.ts';
import { ask, problemText } from './api.ts';
import { bars, byteSize, card, fill, h, number } from './dom.ts';
import type { View } from './view.ts';

const REFRESH = 5000;

/** Beacons with what they carry and how far they are. */
export function beaconsView(): View {
  const table = h('div', { class: 'scroll' });
  const load = h('div');
  const round = async (): Promise<void> => {
    try {
      const { beacons } = await ask<Beacons>('/api/beacons');
      fill(table, tableOf(beacons));
      const rows = beacons.map((beacon) => [nameOf(beacon), beacon.nodes] as const);
      fill(load, bars([...rows].sort((a, b) => b[1] - a[1])));
    } catch (error) {
      fill(table, h('p', { class: 'empty' }, problemText(error)));
    }
  };
  void round();
  const timer = setInterval(() => void round(), REFRESH);
  return {
    element: h(
      'div',
      { class: 'stack' },
      card('Beacons', 'round trips from this registry', table),
      card('Nodes at each', '', load),
    ),
    close: () => clearInterval(timer),
  };
}

function nameOf({ address, own }: BeaconRow): string {
  return own ? `${address} (beside this registry)` : address;
}
function tableOf(beacons: readonly BeaconRow[]): HTMLElement {
  const heads = h(
    'tr',
    {},
    h('th', {}, 'Beacon'),
    h('th', {}, 'State'),
    h('th', { class: 'number' }, 'Round trip'),
    h('th', { class: 'number' }, 'Nodes'),
    h('th', { class: 'number' }, 'Relays'),
  );
  const rows = beacons.map((beacon) => {
    const { rtt_ms: rtt, nodes, relayed_bytes_per_second: bytes } = beacon;
    return h(
      'tr',
      {},
      h(
        'td',
        {},
        h('code', {}, beacon.address),
        beacon.own ? h('div', { class: 'note' }, 'beside this registry') : undefined,
      ),
      h(
        'td',
        {},
        h(
          'span',
          { class: rtt === undefined ? 'dot off' : 'dot on' },
          rtt === undefined ? 'silent' : 'answers',
        ),
      ),
      h(
        'td',
        { class: 'number' },
        rtt === undefined ? '–' : `${rtt < 10 ? rtt.toFixed(1) : Math.round(rtt)} ms`,
      ),
      h('td', { class: 'number' }, number(nodes)),
      h('td', { class: 'number' }, bytes === undefined ? '–' : `${byteSize(bytes)}/s`),
    );
  });
  return h('table', {}, h('thead', {}, heads), h('tbody', {}, ...rows));
}
