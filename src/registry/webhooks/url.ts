import { parseIp } from '../../wire/ip.ts';
import { isGloballyReachable } from '../../wire/ip-reach.ts';

/** Where webhooks may go: hosts of the Internet, or also those inside. */
export type WebhookReach = 'public' | 'anywhere';

const MAX_URL = 2048;

/** Why nothing would be delivered to a URL; undefined when it may be tried. Names are looked up at delivery. */
export function webhookUrlProblem(text: string, reach: WebhookReach): string | undefined {
  if (text.length > MAX_URL) return `it is too long (max ${MAX_URL} characters)`;
  if (!URL.canParse(text)) return 'it is no URL';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'it must not contain a user name or a password';
  if (url.hash !== '') return 'it must not contain a fragment';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && reach === 'anywhere'))
    return 'it must begin with https://';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (reach === 'public' && parseIp(host) !== undefined && !isGloballyReachable(host))
    return `${host} is not an address of the Internet, and this registry sends webhooks nowhere else`;
  return undefined;
}
