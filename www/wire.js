// The wire: what goes over it from the first byte, line by line, each with its time and the step that it makes. Each kind
// of line is explained where it first comes, and again where somebody looks.

import { clock, point } from './diagram.js';
import { element, make, reveal } from './dom.js';
import { showWord } from './words.js';

const HINTS = { event: 'hintEvent', id: 'hintId', retry: 'hintRetry', data: 'hintData', '': 'hintComment' };
const MOST_LINES = 300;

const lines = element('lines');
const stepOf = new WeakMap();
const explained = new Set();

let unclaimed = []; // what has come since the last step
let lastStep = null;

/** What a script cannot see, but knows: it has asked for it. The browser adds fields of its own. */
export function showRequest(url, headers) {
  explained.clear();
  addLine('request', `GET ${url.pathname} HTTP/1.1`, 'hintRequest');
  addLine('request', `Host: ${url.host}`, 'hintMore');
  for (const [name, value] of Object.entries(headers)) {
    addLine('request', `${name}: ${value}`, name === 'Last-Event-ID' ? 'hintLastId' : 'hintMore');
  }
}

export function showHead({ status, statusText, headers }) {
  addLine('head', `HTTP/1.1 ${status} ${statusText}`, 'hintStatus');
  for (const [name, value] of headers) {
    addLine('head', `${name}: ${value}`, name === 'content-type' ? 'hintType' : 'hintField');
  }
}

/** An empty line that completes nothing belongs to what was before it. */
export function showLine({ line, name, event }) {
  const item = addLine('line', line, line === '' ? 'hintBlank' : HINTS[name] ?? 'hintField');
  if (line !== '' || event || unclaimed.length > 1) return;
  claim([item], lastStep);
  item.classList.toggle('marked', item.previousSibling.classList.contains('marked'));
}

export function showEnd() {
  addLine('end', '', 'endOfStream');
}

function addLine(kind, text, hint) {
  const item = make('li', kind);
  const why = make('span', 'why');
  showWord(why, hint);
  item.append(make('time', '', clock()), make('code', '', text), why);
  item.tabIndex = -1;
  item.classList.toggle('first', !explained.has(hint));
  explained.add(hint);
  unclaimed.push(item);
  lines.append(item);
  if (lines.children.length > MOST_LINES) lines.firstChild.remove();
  reveal(lines, item);
  return item;
}

/** What has come since the last step makes this one; but a comment alone says that something was earlier. */
function claimFor({ detail: step }) {
  const { from, to } = step.shape;
  if (step.name === 'earlier') return claim(unclaimed.slice(-1), step);
  if (from === 'platform' || to === 'platform') return;
  claim(unclaimed, step);
  lastStep = step;
}

function claim(items, step) {
  items.forEach((item) => stepOf.set(item, step));
  unclaimed = unclaimed.filter((item) => !stepOf.has(item));
}

function mark({ detail: step }) {
  for (const item of lines.children) item.classList.toggle('marked', stepOf.get(item) === step);
  const marked = lines.querySelectorAll('.marked');
  if (marked.length === 0) return;
  reveal(lines, marked[marked.length - 1]);
  reveal(lines, marked[0]);
}

function pressKey(press) {
  const line = document.activeElement;
  const near = { ArrowUp: line.previousElementSibling, ArrowDown: line.nextElementSibling };
  const next = line === lines ? lines.lastChild : near[press.key];
  if (!next || !(press.key in near)) return;
  press.preventDefault();
  next.focus();
}

lines.addEventListener('keydown', pressKey);
lines.addEventListener('focusin', ({ target }) => stepOf.has(target) && point(stepOf.get(target)));
element('view').addEventListener('recorded', claimFor);
element('view').addEventListener('pointed', mark);
