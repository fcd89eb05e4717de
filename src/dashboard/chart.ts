/** Curves over time, by uPlot; colours follow the style sheet. */
import type uPlot from 'uplot';
import { compact, h } from './dom.ts';

export interface Curve {
  readonly label: string;
  /** A custom property of the style sheet. */
  readonly colour: string;
  readonly fill?: boolean;
}

export interface Chart {
  readonly element: HTMLElement;
  /** Columns of equal length: Unix seconds, then one per curve; null where nothing is known. `from`, `to`: what is seen. */
  show(columns: readonly (readonly (number | null)[])[], from: number, to: number): void;
  close(): void;
}

interface Range {
  from: number;
  to: number;
}

type UPlot = typeof uPlot;
const CHARTS = '/page/uplot.js';

export function chart(curves: readonly Curve[], height: number, description: string): Chart {
  const element = h('div', {
    class: height < 200 ? 'plot small' : 'plot',
    role: 'img',
    'aria-label': description,
  });
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const state: { plot?: uPlot; make?: UPlot; columns?: uPlot.AlignedData; range: Range; closed: boolean } = {
    range: { from: 0, to: 1 },
    closed: false,
  };

  const draw = (): void => {
    if (state.closed || state.make === undefined || state.columns === undefined) return;
    const width = element.clientWidth;
    if (width === 0) return;
    state.plot?.destroy();
    state.plot = new state.make(optionsOf(curves, width, height, state.range), state.columns, element);
  };
  const resized = new ResizeObserver(() => {
    const width = element.clientWidth;
    if (state.plot !== undefined && width > 0 && width !== state.plot.width)
      state.plot.setSize({ width, height });
    else if (state.plot === undefined) draw();
  });
  resized.observe(element);
  scheme.addEventListener('change', draw);
  void import(CHARTS).then((module: { default: UPlot }) => {
    state.make = module.default;
    draw();
  });
  return {
    element,
    show(columns, from, to) {
      Object.assign(state.range, { from, to });
      state.columns = columns as unknown as uPlot.AlignedData;
      if (state.plot === undefined) draw();
      else state.plot.setData(state.columns);
    },
    close() {
      state.closed = true;
      resized.disconnect();
      scheme.removeEventListener('change', draw);
      state.plot?.destroy();
    },
  };
}

function optionsOf(
  curves: readonly Curve[],
  width: number,
  height: number,
  seen: Readonly<Range>,
): uPlot.Options {
  const time = (at: number): string => {
    const text = new Date(at * 1000 - new Date(at * 1000).getTimezoneOffset() * 60_000).toISOString();
    const length = seen.to - seen.from;
    return length > 2 * 86_400 ? text.slice(5, 10) : text.slice(11, length > 600 ? 16 : 19);
  };
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis: uPlot.Axis = {
    stroke: colour('--muted'),
    font,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    cursor: { y: false, points: { size: 7 } },
    legend: { live: true },
    scales: {
      x: { range: () => [seen.from, seen.to] },
      y: { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 1) * 1.1)] },
    },
    axes: [
      { ...axis, grid: { show: false }, space: 70, size: 28, values: (_plot, values) => values.map(time) },
      { ...axis, size: 48, space: 36, values: (_plot, values) => values.map((value) => compact(value)) },
    ],
    series: [
      { value: '{YYYY}-{MM}-{DD} {HH}:{mm}' },
      ...curves.map(
        ({ label, colour: name, fill }): uPlot.Series => ({
          label,
          stroke: colour(name),
          width: 2,
          points: { show: false },
          ...(fill === true && { fill: colour('--accent-soft') }),
          value: (_plot, value) => (value === null ? '–' : compact(value)),
        }),
      ),
    ],
  };
}
