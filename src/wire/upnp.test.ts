import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { neverThrows } from './codec.testkit.ts';
import {
  encodeSoapCall,
  encodeSsdpSearch,
  type HttpAddress,
  parseHttpAddress,
  readDescription,
  readSoapAnswer,
  readSsdpAnswer,
} from './upnp.ts';

const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1';
const AT: HttpAddress = { endpoint: { host: '192.168.1.1', port: 5000 }, target: '/a/rootDesc.xml' };

function service(type: string, control: string): string {
  return `<service><serviceType>${type}</serviceType><controlURL>${control}</controlURL></service>`;
}

function description(services: string, base = ''): string {
  return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">${base}<device>
    <serviceList>${service('urn:schemas-upnp-org:service:Layer3Forwarding:1', '/l3f')}</serviceList>
    <deviceList><device><deviceList><device><serviceList>${services}</serviceList></device></deviceList></device></deviceList>
    </device></root>`;
}

describe('SSDP', () => {
  it('asks for gateways by multicast discovery', () => {
    const lines = fromUtf8(encodeSsdpSearch()).split('\r\n');
    assert.equal(lines[0], 'M-SEARCH * HTTP/1.1');
    assert.ok(lines.includes('MAN: "ssdp:discover"'));
    assert.deepEqual(lines.slice(-2), ['', '']);
  });

  it('finds the description in an answer', () => {
    const answer = utf8('HTTP/1.1 200 OK\r\nST: x\r\nLocation: http://192.168.1.1:5000/rootDesc.xml\r\n\r\n');
    const endpoint = { host: '192.168.1.1', port: 5000 };
    assert.deepEqual(readSsdpAnswer(answer), { endpoint, target: '/rootDesc.xml' });
  });

  it('ignores other messages, and addresses that are names or not plain HTTP', () => {
    const located = (location: string) =>
      readSsdpAnswer(utf8(`HTTP/1.1 200 OK\r\nLocation: ${location}\r\n\r\n`));
    assert.equal(readSsdpAnswer(encodeSsdpSearch()), undefined);
    for (const location of [
      'http://router.lan/x',
      'https://192.168.1.1/x',
      'http://192.168.1.1:99999/x',
      'http://192.168.1.1:0/x',
      'http://user@192.168.1.1/x',
      'http://999.1.1.1/x',
      `http://192.168.1.1/${'x'.repeat(300)}`,
    ])
      assert.equal(located(location), undefined, location);
    assert.equal(located('http://192.168.1.1/x')?.endpoint.port, 80);
    neverThrows(readSsdpAnswer, [utf8('HTTP/1.1 200 OK\r\nLocation: http://1.2.3.4/\r\n\r\n')]);
  });
});

describe('a device description', () => {
  it('tells the connection services, also of devices inside devices', () => {
    const text = description(
      service(SERVICE, '/ctl/IPConn') + service(SERVICE.replace('IP', 'PPP'), 'ctl/PPP'),
    );
    assert.deepEqual(readDescription(text, AT), [
      { type: SERVICE, endpoint: AT.endpoint, target: '/ctl/IPConn' },
      { type: SERVICE.replace('IP', 'PPP'), endpoint: AT.endpoint, target: '/a/ctl/PPP' },
    ]);
  });

  it('may name another port of the router, not another machine', () => {
    const inBase = description(service(SERVICE, '/c'), '<URLBase>http://192.168.1.1:49152/</URLBase>');
    assert.equal(readDescription(inBase, AT)[0]?.endpoint.port, 49152);
    const foreignBase = description(service(SERVICE, '/c'), '<URLBase>http://10.0.0.9:1/</URLBase>');
    assert.deepEqual(readDescription(foreignBase, AT)[0]?.endpoint, AT.endpoint);
    assert.deepEqual(readDescription(description(service(SERVICE, 'http://10.0.0.9/c')), AT), []);
    assert.equal(
      readDescription(description(service(SERVICE, 'http://192.168.1.1:1/c')), AT)[0]?.endpoint.port,
      1,
    );
  });

  it('that is no description, or expands itself, tells nothing', () => {
    const bomb = `<!DOCTYPE x [<!ENTITY a "aaaa">]>${description(service(SERVICE, '/c'))}`;
    for (const text of ['', '<', '<root>', 'hello', '<root/>', '<root><device/></root>', bomb])
      assert.deepEqual(readDescription(text, AT), [], text);
    const deep = `${'<device><deviceList>'.repeat(200)}${'</deviceList></device>'.repeat(200)}`;
    assert.deepEqual(readDescription(`<root>${deep}</root>`, AT), []);
    neverThrows((bytes) => readDescription(fromUtf8(bytes), AT), [utf8(description(service(SERVICE, '/c')))]);
  });
});

describe('a SOAP call', () => {
  it('names service and action, and its values as text', () => {
    const { header, body } = encodeSoapCall(SERVICE, 'AddPortMapping', {
      NewRemoteHost: '',
      NewPort: 7,
      Note: '<&"',
    });
    assert.equal(header, `"${SERVICE}#AddPortMapping"`);
    assert.match(body, /<NewRemoteHost><\/NewRemoteHost><NewPort>7<\/NewPort><Note>&#60;&#38;&#34;<\/Note>/);
  });

  it('is answered by values, by nothing, or by an error code', () => {
    const envelope = (inner: string) =>
      `<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body>${inner}</s:Body></s:Envelope>`;
    const values = envelope(
      '<u:GetExternalIPAddressResponse xmlns:u="y"><NewExternalIPAddress>1.2.3.4</NewExternalIPAddress></u:GetExternalIPAddressResponse>',
    );
    assert.deepEqual(readSoapAnswer(values, 'GetExternalIPAddress'), {
      values: { NewExternalIPAddress: '1.2.3.4' },
    });
    assert.deepEqual(readSoapAnswer(envelope('<u:AddResponse xmlns:u="y"/>'), 'Add'), { values: {} });
    assert.equal(readSoapAnswer(values, 'Add'), 'malformed');
    const fault = envelope(
      '<s:Fault><faultcode>s:Client</faultcode><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Fault>',
    );
    assert.deepEqual(readSoapAnswer(fault, 'Add'), { fault: 718 });
    assert.deepEqual(readSoapAnswer(envelope('<s:Fault/>'), 'Add'), { fault: 0 });
    assert.equal(readSoapAnswer(envelope('<u:__proto__Response/>'), 'Add'), 'malformed');
    neverThrows((bytes) => readSoapAnswer(fromUtf8(bytes), 'Add'), [utf8(fault), utf8(values)]);
  });
});

describe('an address of a device', () => {
  it('is read whatever it is', () => {
    fc.assert(fc.property(fc.webUrl(), (url) => void parseHttpAddress(url)));
  });
});
