/** A virtual internet for tests, and Pilot networks that run on it from one seed in one process. */
export * from './net/index.ts';
export * from './world/index.ts';
