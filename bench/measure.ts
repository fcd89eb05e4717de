/** Shared by the programs here: medians of repeated batches, and tables. The machine is noisy; quote medians. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))]!;
}

/** Nanoseconds per call: median of `batches` batches of `calls` calls, after one batch of warm-up. */
export function nanosecondsPerCall(call: () => void, calls: number, batches = 9): number {
  const results: number[] = [];
  for (let batch = 0; batch <= batches; batch++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) call();
    const spent = Number(process.hrtime.bigint() - start);
    if (batch > 0) results.push(spent / calls);
  }
  return median(results);
}

/** Prints rows as an aligned table; the first row is the heading. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    console.log(
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  '),
    );
  }
}
