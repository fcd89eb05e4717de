import type { NetworkRow, Networks, Overview } from '../api/dashboard.ts';
import { ask, problemText } from './api.ts';
import { placed } from './circles.ts';
import { card, compact, fill, h, number, svg } from './dom.ts';
import type { Context, View } from './view.ts';

const REFRESH = 30_000;
/** Circles drawn; the list below has the rest. */
const DRAWN = 40;
const RULES: Readonly<Record<string, string>> = {
  open: 'open',
  token: 'token',
  invite: 'invitation',
};

/** Networks by size. */
export function networksView({ operator, overview }: Context): View {
  const map = h('div', { class: 'map' });
  const legend = h('div', { class: 'legend' });
  const list = h('div', { class: 'scroll' });
  const state = { timer: 0, shown: '', latest: overview };
  const load = async (): Promise<void> => {
    try {
      const found = await ask<Networks>('/api/networks');
      const key = JSON.stringify([found, state.latest?.nodes.registered]);
      if (key === state.shown) return;
      state.shown = key;
      draw(found, state.latest?.nodes.registered ?? 0);
    } catch (error) {
      fill(map, h('p', { class: 'empty' }, problemText(error)));
    }
  };
  const draw = ({ networks, others }: Networks, registered: number): void => {
    fill(map, mapOf(networks.slice(0, DRAWN), registered));
    const rules = Object.keys(RULES).filter((rule) => networks.some(({ join_rule }) => join_rule === rule));
    fill(legend, ...rules.map((rule) => h('span', { class: `rule-${rule}` }, RULES[rule]!)));
    fill(list, networks.length === 0 ? h('p', { class: 'empty' }, 'No networks to show') : tableOf(networks));
    if (others.count > 0)
      list.append(
        h('p', { class: 'note' }, `and ${number(others.count)} more with ${number(others.members)} members`),
      );
  };
  void load();
  state.timer = setInterval(() => void load(), REFRESH);
  return {
    element: h(
      'div',
      { class: 'stack' },
      card('Network map', operator ? 'all networks, by members' : 'open networks, by members', map, legend),
      card('Networks', 'the largest first', list),
    ),
    update(now: Overview) {
      const first = state.latest === undefined;
      state.latest = now;
      if (first) void load();
    },
    close: () => clearInterval(state.timer),
  };
}

/** Networks inside the backbone, which every node belongs to. */
function mapOf(networks: readonly NetworkRow[], registered: number): SVGSVGElement {
  const largest = Math.max(1, ...networks.map(({ members }) => members));
  // Areas go with members, yet the smallest can still be seen and hit.
  const circles = placed(networks.map(({ members }) => 10 + 90 * Math.sqrt(members / largest)));
  const outer = Math.max(60, ...circles.map(({ x, y, r }) => Math.hypot(x, y) + r)) + 34;
  const box = `${-outer - 4} ${-outer - 4} ${2 * outer + 8} ${2 * outer + 8}`;
  const title = `every node: ${compact(registered)}`;
  return svg(
    'svg',
    { viewBox: box, role: 'img', 'aria-label': 'Networks as circles, by members' },
    svg(
      'g',
      { class: 'rule-backbone' },
      svg('circle', { class: 'outer', r: outer }),
      svg('title', {}, title),
    ),
    svg('text', { class: 'sub', x: 0, y: 20 - outer }, title),
    ...networks.map((network, i) => circleOf(network, circles[i]!)),
  );
}
function circleOf(
  { name, members, join_rule }: NetworkRow,
  { x, y, r }: { x: number; y: number; r: number },
): SVGElement {
  const fits = Math.floor((2 * r - 12) / 6.8);
  const text = name.length <= fits ? name : fits >= 5 ? `${name.slice(0, fits - 1)}…` : '';
  return svg(
    'g',
    { class: `rule-${RULES[join_rule] === undefined ? 'open' : join_rule}` },
    svg('circle', { cx: x, cy: y, r }),
    svg('title', {}, `${name}: ${number(members)} members`),
    ...(text === '' ? [] : [svg('text', { x, y: y + (r > 24 ? -1 : 4) }, text)]),
    ...(text === '' || r <= 24 ? [] : [svg('text', { class: 'sub', x, y: y + 14 }, compact(members))]),
  );
}
function tableOf(networks: readonly NetworkRow[]): HTMLElement {
  const heads = h(
    'tr',
    {},
    h('th', {}, 'Name'),
    h('th', {}, 'Who may join'),
    h('th', { class: 'number' }, 'Members'),
    h('th', {}, 'Policy'),
  );
  const rows = networks.map(({ name, join_rule, members, policy, description }) =>
    h(
      'tr',
      {},
      h('td', {}, name, description === '' ? undefined : h('div', { class: 'note' }, description)),
      h('td', {}, RULES[join_rule] ?? join_rule),
      h('td', { class: 'number' }, number(members)),
      h('td', {}, policy ? 'restricts' : ''),
    ),
  );
  return h('table', {}, h('thead', {}, heads), h('tbody', {}, ...rows));
}
