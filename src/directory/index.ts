/** The client of the registry, used by the daemon and the command line. */
export { Directory, type DirectoryOptions } from './directory.ts';
export { NetworkRequests } from './network-requests.ts';
export type * from './network-types.ts';
export { RecordRequests } from './record-requests.ts';
export type * from './types.ts';
