import type { Acceleration } from '../../../api/acceleration.ts';

const UDP: Readonly<Record<Acceleration['udp'], string>> = {
  native: 'UDP in trains both ways',
  segmented: 'UDP sent in trains',
  plain: 'UDP packet by packet',
};

const WHY: Readonly<Record<Acceleration['why'], string>> = {
  '': '',
  switched_off: ' (as configured)',
  not_built: ' (not built: npm rebuild pilot-typescript)',
  not_loadable: ' (built for another machine: npm rebuild pilot-typescript)',
  not_on_this_system: ' (this system has no more)',
};

/** Who seals packets and how they are sent, and why not better. */
export function accelerationText({ sealing, udp, why }: Acceleration): string {
  return `${sealing === 'native' ? 'sealing in trains' : 'none for sealing'}, ${UDP[udp]}${WHY[why]}`;
}
