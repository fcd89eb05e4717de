import { defineCommand } from '../../command.ts';
import { formatSize, formatTable, plural, printable } from '../../text.ts';

export const received = defineCommand({
  name: 'received',
  group: 'Messages and files',
  summary: 'List received files, oldest first',
  details: 'Only complete, checked files are shown. Works without a running daemon.',
  flags: { clear: { summary: 'delete all received files' } },
  timeout: '30s',
  returns: '{files: [{name, bytes, modified, path}], total, dir}; with --clear {cleared}',
  examples: [
    { line: 'pilotctl received', about: 'Which files have arrived?' },
    { line: 'pilotctl received --clear', about: 'Delete them' },
  ],
  async run(context, { flags }) {
    const { host, home } = context;
    const dir = home.received;
    const found: { name: string; bytes: number; modified: number; path: string }[] = [];
    for (const name of await host.files.list(dir)) {
      const path = `${dir}/${name}`;
      const info = name.startsWith('.') ? undefined : await host.files.info(path);
      if (info?.kind === 'file') found.push({ name, bytes: info.bytes, modified: info.modified, path });
    }
    found.sort((a, b) => a.modified - b.modified || (a.name < b.name ? -1 : 1));
    if (flags.clear) {
      for (const { path } of found) await host.files.remove(path);
      return { data: { cleared: found.length }, human: `cleared ${plural(found.length, 'file')}` };
    }
    const files = found.map((file) => ({ ...file, modified: new Date(file.modified).toISOString() }));
    const data = { files, total: files.length, dir };
    if (found.length === 0) return { data, human: 'no files received' };
    const rows = found.map((file) => [
      printable(file.name),
      formatSize(file.bytes),
      host.localTime(file.modified),
    ]);
    return { data, human: `${formatTable(['NAME', 'SIZE', 'RECEIVED'], rows)}\nin ${dir}` };
  },
});
