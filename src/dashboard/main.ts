/** The page of a registry's dashboard. */
import type { Overview } from '../api/dashboard.ts';

const events = new EventSource('/api/events');
events.addEventListener('overview', (event) => {
  const overview = JSON.parse((event as MessageEvent<string>).data) as Overview;
  document.body.textContent = `${overview.nodes.online} nodes on-line`;
});
