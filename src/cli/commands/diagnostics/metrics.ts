import type { MetricRow, SampleRow } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';

export const metrics = defineCommand({
  name: 'metrics',
  group: 'Diagnostics',
  summary: 'Print the metrics of this node in the text format of Prometheus',
  details:
    'For the textfile collector of a node exporter, or any scraper that runs a command. The metrics: docs/metrics.md.',
  timeout: '15s',
  returns: '{metrics: [{name, type, help, samples: [{suffix?, labels, value}]}]}',
  examples: [
    { line: 'pilotctl metrics', about: 'All metrics' },
    { line: 'pilotctl metrics --json', about: 'The same as JSON' },
  ],
  async run(context) {
    const client = await context.client();
    const { metrics } = await client.metrics();
    return { data: { metrics }, human: exposition(metrics) };
  },
});

/** Text format 0.0.4, without the line break at the end. */
export function exposition(metrics: readonly MetricRow[]): string {
  return metrics
    .flatMap(({ name, type, help, samples }) => [
      `# HELP ${name} ${escaped(help)}`,
      `# TYPE ${name} ${type}`,
      ...samples.map((sample) => line(name, sample)),
    ])
    .join('\n');
}

function line(name: string, { suffix = '', labels, value }: SampleRow): string {
  const named = Object.entries(labels).map(
    ([label, text]) => `${label}="${escaped(text).replaceAll('"', '\\"')}"`,
  );
  return `${name}${suffix}${named.length === 0 ? '' : `{${named.join(',')}}`} ${value}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
