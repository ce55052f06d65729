// The wire: what goes over it from the first byte, line by line, each with its time and the step that it makes.
//
// Each kind of line is explained where it first comes, and again where somebody looks.

import { element, make, reveal } from './dom.js';
import { clock, point } from './diagram.js';
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

/** As fetch tells it. */
export function showHead({ status, statusText, headers }) {
  addLine('head', `HTTP/1.1 ${status} ${statusText}`, 'hintStatus');
  for (const [name, value] of headers) {
    addLine('head', `${name}: ${value}`, name === 'content-type' ? 'hintType' : 'hintField');
  }
}

export function showLine({ line, name, event }) {
  const item = addLine('line', line, line === '' ? 'hintBlank' : HINTS[name] ?? 'hintOther');
  // An empty line that completes nothing belongs to what was before it.
  if (line !== '' || event || unclaimed.length > 1) return;
  claim(lastStep, item);
  item.classList.toggle('marked', item.previousSibling.classList.contains('marked'));
}

export function showEnd() {
  addLine('end', '', 'hintEnd');
}

function addLine(kind, text, hint) {
  const item = make('li', kind);
  item.tabIndex = -1;
  const why = make('span', 'why');
  showWord(why, hint);
  item.append(make('time', '', clock()), make('code', '', text), why);
  if (!explained.has(hint)) item.classList.add('first');
  explained.add(hint);
  unclaimed.push(item);
  lines.append(item);
  if (lines.children.length > MOST_LINES) lines.firstChild.remove();
  reveal(lines, item);
  return item;
}

function claim(step, item) {
  stepOf.set(item, step);
  unclaimed = unclaimed.filter((other) => other !== item);
}

/** What has come since the last step makes this one; but a comment alone says that something was earlier. */
function claimFor({ detail: step }) {
  if (step.shape.from === 'platform' && step.name !== 'earlier') return;
  if (step.shape.to === 'platform') return;
  const isPart = (item) => step.name !== 'earlier' || item.textContent.includes('settled');
  unclaimed.filter(isPart).forEach((item) => claim(step, item));
  lastStep = step;
}

function mark({ detail: step }) {
  const marked = [...lines.children].filter((item) => {
    item.classList.toggle('marked', stepOf.get(item) === step);
    return stepOf.get(item) === step;
  });
  if (marked.length === 0) return;
  reveal(lines, marked.at(-1));
  reveal(lines, marked[0]);
}

function pressKey(press) {
  const line = document.activeElement;
  const steps = { ArrowUp: line.previousElementSibling, ArrowDown: line.nextElementSibling };
  const next = line === lines ? lines.lastChild : steps[press.key];
  if (!next || !(press.key in steps)) return;
  press.preventDefault();
  next.focus();
}

function pointFrom({ target }) {
  const step = stepOf.get(target);
  if (step) point(step);
}

lines.addEventListener('keydown', pressKey);
lines.addEventListener('focusin', pointFrom);
element('view').addEventListener('recorded', claimFor);
element('view').addEventListener('pointed', mark);
