/** The page of a registry's dashboard: a bar, and one of several views below it. */
import type { Overview } from '../api/dashboard.ts';
import { beaconsView } from './beacons.ts';
import { fill, h, span, when } from './dom.ts';
import { networksView } from './networks.ts';
import { nodeView } from './node.ts';
import { nodesView } from './nodes.ts';
import { overviewView } from './overview.ts';
import { session } from './session.ts';
import { trustView } from './trust.ts';
import type { Context, View } from './view.ts';

interface Place {
  /** "" stands in no bar. */
  readonly title: string;
  readonly make: (context: Context) => View;
}

const PLACES: Readonly<Record<string, Place>> = {
  '': { title: 'Overview', make: overviewView },
  nodes: { title: 'Nodes', make: nodesView },
  networks: { title: 'Networks', make: networksView },
  trust: { title: 'Trust', make: trustView },
  beacons: { title: 'Beacons', make: beaconsView },
  node: { title: '', make: nodeView },
};

const REFUSED_PAUSE = 10_000;

function start(): void {
  const find = (id: string): HTMLElement => document.getElementById(id)!;
  const [main, live, views, footer] = [find('main'), find('live'), find('views'), find('footer')];
  const state: { view?: View; overview?: Overview; operator: () => boolean; censusAt: number } = {
    operator: () => false,
    censusAt: 0,
  };

  const show = (focus: boolean): void => {
    const [name = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
    const place = PLACES[name] ?? PLACES['']!;
    state.view?.close?.();
    state.view = place.make({
      query: new URLSearchParams(query),
      operator: state.operator(),
      overview: state.overview,
    });
    fill(main, state.view.element);
    document.title = place.title === '' ? 'Pilot registry' : `${place.title} · Pilot registry`;
    fill(
      views,
      ...Object.entries(PLACES)
        .filter(([, { title }]) => title !== '')
        .map(([key, { title }]) => {
          const here = key === name || (key === 'nodes' && name === 'node');
          return h('a', { href: `#/${key}`, 'aria-current': here ? 'page' : undefined }, title);
        }),
    );
    if (focus) {
      main.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  };
  const told = (overview: Overview): void => {
    state.overview = overview;
    state.view?.update?.(overview);
    const counted = overview.census_at === 0 ? 'counting' : `counts of ${when(overview.census_at)} UTC`;
    fill(
      footer,
      `Version ${overview.version} · serves for ${span(overview.at - overview.started_at)} · ${counted}`,
    );
  };
  const connected = (on: boolean): void => {
    live.className = on ? 'live on' : 'live off';
    live.textContent = on ? 'live' : 'reconnecting';
  };

  const listen = (): void => {
    const events = new EventSource('/api/events');
    events.addEventListener('overview', (event) => {
      connected(true);
      told(JSON.parse((event as MessageEvent<string>).data) as Overview);
    });
    events.addEventListener('error', () => {
      connected(false);
      // It comes back by itself unless it was refused.
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, REFUSED_PAUSE);
    });
  };
  listen();
  addEventListener('hashchange', () => show(true));
  show(false);
  void session(() => show(false)).then((found) => {
    state.operator = found.operator;
    if (found.operator()) show(false);
  });
}

start();
