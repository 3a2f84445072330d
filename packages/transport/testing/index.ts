/** For benchmarks on loopback: the calls of this package without its channel. */
export { dangerConnectPlain, dangerServePlain, type PlainConnection } from './danger-plain.ts';
