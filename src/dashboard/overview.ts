import type { History, HistorySpan, Overview } from '../api/dashboard.ts';
import { ask } from './api.ts';
import { chart } from './chart.ts';
import { bars, card, compact, fill, h, number, percent, span } from './dom.ts';
import type { Context, View } from './view.ts';

const SPANS: readonly (readonly [HistorySpan, string, seconds: number])[] = [
  ['hour', '1 h', 3600],
  ['day', '24 h', 86_400],
  ['month', '30 d', 30 * 86_400],
];
const REFRESH = 15_000;
/** Values of the curve of requests that is drawn as they come, and the time they take up, seconds. */
const LIVE = 90;
const LIVE_SECONDS = 180;

/** How the network is doing. */
export function overviewView({ overview }: Context): View {
  const tiles = h('div', { class: 'tiles' });
  const versions = h('div');
  const tags = h('div', { class: 'chips' });
  const online = chart(
    [
      { label: 'on-line', colour: '--accent', fill: true },
      { label: 'registered', colour: '--muted' },
    ],
    260,
    'Nodes on-line and registered over time',
  );
  const requests = chart(
    [{ label: 'requests/s', colour: '--second', fill: false }],
    260,
    'Requests a second, as they come',
  );
  const state: { span: HistorySpan; timer: number; seconds: number[]; rates: number[] } = {
    span: 'hour',
    timer: 0,
    seconds: [],
    rates: [],
  };
  const load = async (): Promise<void> => {
    const history = await ask<History>(`/api/history?span=${state.span}`).catch(() => undefined);
    if (history === undefined || history.span !== state.span) return;
    const known = (column: readonly number[]) => column.map((value) => (value < 0 ? null : value));
    const length = SPANS.find(([name]) => name === state.span)![2];
    const now = Date.now() / 1000;
    online.show([history.at, known(history.online), known(history.registered)], now - length, now);
  };
  const choice = h('span', { class: 'choice', role: 'group', 'aria-label': 'Time shown' });
  const choose = (chosen: HistorySpan): void => {
    state.span = chosen;
    const buttons = SPANS.map(([name, label]) =>
      h(
        'button',
        { type: 'button', 'aria-pressed': String(name === chosen), click: () => choose(name) },
        label,
      ),
    );
    fill(choice, ...buttons);
    void load();
  };
  choose('hour');
  state.timer = setInterval(() => void load(), REFRESH);

  const update = (now: Overview): void => {
    fill(tiles, ...tilesOf(now));
    fill(
      versions,
      now.versions.length === 0 ? empty('No nodes yet') : bars(now.versions, now.nodes.registered),
    );
    fill(tags, ...(now.tags.length === 0 ? [empty('No public node has tags')] : now.tags.map(tagChip)));
    state.seconds.push(now.at / 1000);
    state.rates.push(Math.round(now.requests.per_second * 10) / 10);
    if (state.seconds.length > LIVE) {
      state.seconds.shift();
      state.rates.shift();
    }
    requests.show([state.seconds, state.rates], now.at / 1000 - LIVE_SECONDS, now.at / 1000);
  };
  if (overview !== undefined) update(overview);
  const wide = (className: string, element: HTMLElement): HTMLElement => {
    element.classList.add(className);
    return element;
  };
  return {
    element: h(
      'div',
      { class: 'stack' },
      tiles,
      h(
        'div',
        { class: 'grid' },
        wide('span-8', card('Nodes on-line', choice, online.element)),
        wide('span-4', card('Requests a second', 'this registry, live', requests.element)),
        wide('span-6', card('Versions', 'of registered nodes', versions)),
        wide('span-6', card('Tags', 'of public nodes', tags)),
      ),
    ),
    update,
    close() {
      clearInterval(state.timer);
      online.close();
      requests.close();
    },
  };
}

function tilesOf({ nodes, trust, networks, requests, connections, at, started_at }: Overview): HTMLElement[] {
  const share =
    nodes.registered === 0 ? '' : `${percent(Math.min(1, nodes.online / nodes.registered))} of registered`;
  return [
    tile('Nodes on-line', number(nodes.online), share),
    tile('Nodes registered', number(nodes.registered), `${number(nodes.public)} public`),
    tile('Trust links', number(trust.links), `${compact(networks.count)} networks`),
    tile(
      'Requests',
      compact(requests.total),
      `in ${span(at - started_at)}, ${number(connections)} connections`,
    ),
  ];
}
function tile(label: string, value: string, note: string): HTMLElement {
  return h(
    'div',
    { class: 'card tile' },
    h('div', { class: 'label' }, label),
    h('div', { class: 'value' }, value),
    h('div', { class: 'note' }, note),
  );
}
function tagChip([tag, count]: readonly [string, number]): HTMLElement {
  const place = `#/nodes?q=${encodeURIComponent(`#${tag}`)}`;
  return h('a', { class: 'chip', href: place }, `#${tag}`, h('span', { class: 'count' }, compact(count)));
}
function empty(text: string): HTMLElement {
  return h('p', { class: 'note' }, text);
}
