// Other ways to take part: the lines for a terminal, and the code for a phone.

import { element, make } from './dom.js';
import { needsToken, payUrl, waitUrl } from './order.js';
import { qrPath, qrRows } from './qr.js';
import { showWord } from './words.js';

/** Hosts that mean this computer to whoever uses them. */
const LOOPBACK = /^((.*\.)?localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\])$/;

const bearer = needsToken ? ' -H "Authorization: Bearer TOKEN"' : '';
const payLine = `curl${bearer} ${payUrl}`;

export function showWays() {
  const field = needsToken ? 'Authorization: Bearer TOKEN\\r\\n' : '';
  showLines('wait-lines', [`curl -N ${waitUrl}`, netcat(waitUrl, '')]);
  showLines('pay-lines', [payLine, netcat(payUrl, field), `curl${bearer} -d 'thank you' ${payUrl}`]);
  element('token-line').textContent = payLine;
  showPhone();
}

/** The same request by hand. netcat speaks no TLS, so there is none for https. */
function netcat({ protocol, hostname, port, pathname }, field) {
  if (protocol !== 'http:') return null;
  const host = hostname.replace(/[[\]]/g, '');
  return `printf 'GET ${pathname} HTTP/1.0\\r\\n${field}\\r\\n' | nc ${host} ${port || 80}`;
}

function showLines(id, lines) {
  element(id).append(...lines.filter(Boolean).map(lineToCopy));
}

function lineToCopy(text) {
  const item = make('li');
  const code = make('code', '', text);
  const button = make('button');
  showWord(button, 'copy');
  button.addEventListener('click', () => copy(code, button));
  item.append(code, button);
  return item;
}

/** The old way to copy: navigator.clipboard is for secure origins only, and a class room has plain http. */
function copy(code, button) {
  getSelection().selectAllChildren(code);
  if (document.execCommand('copy')) showWord(button, 'copied');
}

function showPhone() {
  if (LOOPBACK.test(payUrl.hostname)) return explain('phoneLoopback', `orderpay --listen 0.0.0.0:${payUrl.port || 80}`);
  if (needsToken) return explain('needsToken', payLine);
  const rows = qrRows(payUrl.href);
  if (rows === null) return explain('phoneLong', payUrl);
  explain('phoneScan', payUrl);
  const { path, size } = qrPath(rows);
  element('qr').setAttribute('viewBox', `0 0 ${size} ${size}`);
  element('qr').firstElementChild.setAttribute('d', path);
  element('qr').removeAttribute('hidden');
}

function explain(name, code) {
  showWord(element('phone-words'), name);
  element('phone-code').textContent = code;
}
