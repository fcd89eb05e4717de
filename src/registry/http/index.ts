/** The registry over HTTP, for those who serve it: importing this loads a web server. */
export type { FindOperator, HttpOperator } from './access.ts';
export type { PageFile, PageFiles } from './dashboard.ts';
export { type Http, type HttpMeters, type HttpOptions, httpMeters } from './start.ts';
