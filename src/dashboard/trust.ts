import type { Overview, TrustGraph } from '../api/dashboard.ts';
import { ask, problemText } from './api.ts';
import { bars, card, fill, h, number } from './dom.ts';
import { graph } from './graph.ts';
import { type Context, nodePlace, type View } from './view.ts';

/** Who trusts whom, as far as the viewer may see. */
export function trustView({ operator, overview }: Context): View {
  const degrees = h('div');
  const links = h('span', { class: 'note' });
  const drawn = operator ? graph('The nodes with the most peers and who trusts whom') : undefined;
  const hubs = h('div', { class: 'chips' });
  const problem = h('p', { class: 'note' });
  const update = ({ trust, nodes }: Overview): void => {
    const shown = trust.degrees.map(([name, count]) => [peersName(name), count] as const);
    fill(
      degrees,
      shown.length === 0 ? h('p', { class: 'empty' }, 'No nodes yet') : bars(shown, nodes.registered),
    );
    fill(links, `${number(trust.links)} links`);
  };
  if (overview !== undefined) update(overview);
  if (drawn !== undefined)
    void ask<TrustGraph>('/api/trust')
      .then((found) => {
        drawn.show(found);
        const busiest = [...found.nodes].sort((a, b) => b.peers - a.peers).slice(0, 24);
        fill(
          hubs,
          ...busiest.map(({ id, name }) =>
            h('a', { class: 'chip', href: nodePlace(id) }, name === '' ? String(id) : name),
          ),
        );
        if (found.nodes.length === 0) fill(problem, 'Nobody trusts anybody yet');
        else if (found.truncated)
          fill(problem, 'There is more than is drawn: a node’s own page shows its surroundings');
      })
      .catch((error: unknown) => fill(problem, problemText(error)));
  return {
    element: h(
      'div',
      { class: 'stack' },
      ...(drawn === undefined
        ? [
            card(
              'Trust graph',
              '',
              h('p', { class: 'note' }, 'Who trusts whom is shown to operators only: log in to see it.'),
            ),
          ]
        : [card('Trust graph', 'around the nodes with the most peers', drawn.element, problem, hubs)]),
      card('Peers of a node', links, degrees),
    ),
    update,
    close: () => drawn?.close(),
  };
}

function peersName(name: string): string {
  return name === '0' ? 'trusts nobody' : name === '1' ? '1 peer' : `${name} peers`;
}
