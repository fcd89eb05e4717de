import type { Overview } from '../../api/dashboard.ts';

/** Width of a character of the badge's font at 11 px, about. */
const CHARACTER = 6.6;

/** An SVG for web pages; undefined for a name there is no badge of. spec/13 §6 */
export function badge(name: string, overview: Overview): string | undefined {
  switch (name) {
    case 'nodes':
      return drawn('online nodes', overview.nodes.online);
    case 'trust':
      return drawn('trust links', overview.trust.links);
    case 'requests':
      return drawn('requests', overview.requests.total);
    default:
      return undefined;
  }
}

/** 1234 as 1.2K. */
export function shortened(count: number): string {
  const units = ['', 'K', 'M', 'B'];
  let [value, unit] = [count, 0];
  // 999 950 and more of a unit would read as 1000.0 of it.
  while (value >= (unit === 0 ? 1000 : 999.95) && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? String(count) : `${value.toFixed(1)}${units[unit]}`;
}

function drawn(label: string, count: number): string {
  const text = shortened(count);
  const [left, right] = [label, text].map((part) => Math.round(part.length * CHARACTER + 12)) as [
    number,
    number,
  ];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + right}" height="20" role="img" aria-label="${label}: ${text}">` +
    `<rect width="${left + right}" height="20" rx="3" fill="#374151"/>` +
    `<path d="M${left} 0h${right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H${left}z" fill="#2563eb"/>` +
    `<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,sans-serif" font-size="11">` +
    `<text x="${left / 2}" y="14">${label}</text><text x="${left + right / 2}" y="14">${text}</text></g></svg>`
  );
}
