import type { Socket } from 'node:dgram';
import { createRequire } from 'node:module';

/** `setsockopt` with a number: 0, or a negative errno. */
export type SetOption = (fd: number, level: number, name: number, value: number) => number;

const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;

/** linux/udp.h, linux/in.h, linux/in6.h. */
const LINUX = { udp: 17, segment: 103, ip4: { name: 10, value: 3 }, ip6: { name: 23, value: 3 } } as const;
/** netinet/in.h, netinet6/in6.h of macOS: IP_DONTFRAG, IPV6_DONTFRAG. */
const DARWIN = { ip4: { name: 28, value: 1 }, ip6: { name: 62, value: 1 } } as const;

/** Lets the kernel cut what is longer than `bytes` into datagrams of that length; 0 ends it. False where it cannot. */
export function setSegment(socket: Socket, setOption: SetOption, bytes: number): boolean {
  if (process.platform !== 'linux') return false;
  const fd = descriptorOf(socket);
  return fd !== undefined && setOption(fd, LINUX.udp, LINUX.segment, bytes) === 0;
}

/** Forbids IP fragments of what is sent from now on, without heed to what the kernel knows of paths. False where it cannot. */
export function setDontFragment(socket: Socket, setOption: SetOption, v6: boolean): boolean {
  const names = process.platform === 'linux' ? LINUX : process.platform === 'darwin' ? DARWIN : undefined;
  const fd = descriptorOf(socket);
  if (names === undefined || fd === undefined) return false;
  const { ip4, ip6 } = names;
  // A socket of both families carries IPv4 too; only some systems let one say so.
  const four = setOption(fd, IPPROTO_IP, ip4.name, ip4.value) === 0;
  return v6 ? setOption(fd, IPPROTO_IPV6, ip6.name, ip6.value) === 0 && four : four;
}

/** Node keeps the descriptor to itself: it is found where it is, or there is none to be had. */
function descriptorOf(socket: Socket): number | undefined {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    const state = (socket as unknown as Record<symbol, unknown>)[symbol] as
      | { readonly handle?: { readonly fd?: unknown } }
      | undefined;
    const fd = state?.handle?.fd;
    if (typeof fd === 'number' && fd >= 0) return fd;
  }
  return undefined;
}

/** What is used of the foreign function library koffi. */
interface Library {
  load(path: null): { func(prototype: string): (...args: unknown[]) => number };
}

/** `setsockopt` by way of koffi, where its user installed that; undefined where it is not, or does not work. */
export function optionsByLibrary(): SetOption | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const library = createRequire(import.meta.url)('koffi') as Library;
    const call = library
      .load(null)
      .func('int setsockopt(int fd, int level, int name, const int *value, unsigned int length)');
    const value = new Int32Array(1);
    return (fd, level, name, wanted) => {
      value[0] = wanted;
      return call(fd, level, name, value, value.byteLength);
    };
  } catch {
    return undefined;
  }
}
