import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NetworkWatch } from './networks.ts';
import { readNetstat, readProcIpv6Route, readProcRoute, readRoutePrint } from './routes.ts';

describe('default routes', () => {
  it('of Linux are read from its table, best first', () => {
    const table = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
      'eth0\t00000000\tFE00000A\t0003\t0\t0\t100\t00000000\t0\t0\t0',
      'eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
      'ppp0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0',
      'down\t00000000\t0101A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0',
      '',
    ].join('\n');
    assert.deepEqual(readProcRoute(table), [
      { host: '10.0.0.254', through: 'eth0', metric: 100 },
      { host: '192.168.1.1', through: 'wlan0', metric: 600 },
    ]);
  });

  it('of Linux over IPv6 carry the interface of link-local routers', () => {
    const zeros = '0'.repeat(32);
    const route = (gateway: string, flags: string, through: string, destination = zeros, length = '00') =>
      `${destination} ${length} ${zeros} 00 ${gateway} 00000400 00000002 00000000 ${flags}     ${through}`;
    const table = [
      route('fe800000000000000000000000000001', '00000003', 'eth0'),
      route('20010db8000000000000000000000001', '00000003', 'eth1'),
      route(zeros, '00200200', 'lo'),
      route('fe800000000000000000000000000002', '00000003', 'eth0', `2001${'0'.repeat(28)}`, '10'),
    ].join('\n');
    assert.deepEqual(readProcIpv6Route(table), [
      { host: 'fe80::1%eth0', through: 'eth0', metric: 1024 },
      { host: '2001:db8::1', through: 'eth1', metric: 1024 },
    ]);
  });

  it('of macOS are read from netstat, of Windows from route print', () => {
    const netstat = [
      'Routing tables',
      'Internet:',
      'Destination        Gateway            Flags               Netif Expire',
      'default            192.168.1.1        UGScg                 en0',
      'default            link#14            UCSIg                 utun3',
      'Internet6:',
      'default            fe80::1%en0        UGcg                  en0',
    ].join('\n');
    assert.deepEqual(
      readNetstat(netstat).map(({ host, through }) => `${host} ${through}`),
      ['192.168.1.1 en0', 'fe80::1%en0 en0'],
    );
    const print = [
      'Network Destination        Netmask          Gateway       Interface  Metric',
      '          0.0.0.0          0.0.0.0      192.168.1.1     192.168.1.5     25',
      '          0.0.0.0          0.0.0.0         On-link      10.8.0.2     1',
    ].join('\r\n');
    assert.deepEqual(readRoutePrint(print), [{ host: '192.168.1.1', through: '192.168.1.5', metric: 25 }]);
  });

  it('that make no sense are left out', () => {
    const odd = 'x\neth0 00000000 XYZ 0003 0 0 0 00000000\neth0 00000000\n';
    for (const read of [readProcRoute, readProcIpv6Route, readNetstat, readRoutePrint])
      assert.deepEqual(read(odd), []);
  });
});

describe('a watch over networks', () => {
  it('tells a change once, and nothing when nothing changed', () => {
    const watch = new NetworkWatch();
    assert.equal(watch.look('a', 0, 1_000_000), undefined);
    assert.equal(watch.look('a', 1_000, 1_001_000), undefined);
    assert.equal(watch.look('b', 2_000, 1_002_000), 'changed');
    assert.equal(watch.look('b', 3_000, 1_003_000), undefined);
  });

  it('tells sleep by the wall clock, where the other clock stood still', () => {
    const watch = new NetworkWatch();
    watch.look('a', 0, 1_000_000);
    assert.equal(watch.look('a', 1_000, 1_601_000), 'slept');
    assert.equal(watch.look('a', 2_000, 1_602_000), undefined);
  });

  it('tells sleep by the time between looks, where both clocks went on', () => {
    const watch = new NetworkWatch();
    watch.look('a', 0, 1_000_000);
    assert.equal(watch.look('b', 600_000, 1_600_000), 'slept');
  });

  it('takes neither a busy second nor a clock put right for sleep', () => {
    const watch = new NetworkWatch();
    watch.look('a', 0, 1_000_000);
    assert.equal(watch.look('a', 3_000, 1_003_000), undefined);
    assert.equal(watch.look('a', 4_000, 900_000), undefined);
    assert.equal(watch.look('a', 5_000, 901_500), undefined);
  });
});
