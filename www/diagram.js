// The scene as a sequence diagram that grows as things happen.
//
// Whoever sees something happen records it; no clock invents a step. The clock only lengthens the stream that is
// open, a bar between browser and server.

import { timeoutSeconds } from './order.js';
import { showWord } from './words.js';

const ASK = { from: 'browser', to: 'server', label: 'GET orderpay' };
const PUSH = { from: 'server', to: 'browser' };
const PAY = { from: 'platform', to: 'server' };
const ANSWER = { from: 'server', to: 'platform' };

/**
 * Every step there is. One with `to` is an arrow, one without is a mark on its lane. What differs each time, a label
 * or a note, is given to record(). The bar of the stream begins or ends with some. A lost arrow does not arrive.
 */
const STEPS = {
  get: ASK,
  getAgain: ASK,
  unanswered: { ...ASK, noteWord: 'noAnswer', lost: true },
  second: { ...ASK, noteWord: 'secondWaiter' },
  open: { ...PUSH, label: '200 OK', note: 'text/event-stream', bar: 'begins' },
  heartbeat: { ...PUSH, label: ':', low: true },
  secondHeartbeat: { ...PUSH, label: ':', low: true, caption: 'heartbeat' },
  payback: { ...PAY, label: 'POST payback' },
  elsewhere: { ...PAY, label: 'payback', noteWord: 'fromElsewhere' },
  message: PUSH,
  timeout: PUSH,
  finish: { ...PUSH, label: 'event:finish' },
  ok: { ...ANSWER, label: 'ok' },
  refused: ANSWER,
  close: { from: 'browser', label: 'close()', bar: 'ends' },
  lost: { from: 'server', labelWord: 'connectionLost', bar: 'ends' },
};

const LANES = { browser: 100 / 6, server: 300 / 6, platform: 500 / 6 }; // percent of the width, as in the style sheet
const ROW = 42; // pixels, like all that follows
const LOW_ROW = 22;
const NOTE_ROOM = 16;
const LABEL_ABOVE = -9;
const NOTE_BELOW = 18;
const BESIDE = 6;
const LOST_AT = 0.75; // of the way
const FULL_WAIT = 110; // what the bar grows from the greeting to the timeout
const CROSS = 'M-7,-7L7,7M-7,7L7,-7';
const HEAD_TO_RIGHT = 'M-11,-6L0,0L-11,6';
const HEAD_TO_LEFT = 'M11,-6L0,0L11,6';

const drawing = document.getElementById('drawing');
const view = drawing.parentElement;
const caption = document.getElementById('caption');

let bottom = 0; // where the last step is
let bottomAt = 0; // when that was
let bar = null; // the stream that is open
let last = null; // the last step, and how often it happened in a row

/** Draws what has just happened, and says below what it means. */
export function record(name, details) {
  const step = { ...STEPS[name], ...details };
  if (step.lost && last?.name === name) return countAgain();
  moveDown((step.low ? LOW_ROW : ROW) + (last?.hasNote ? NOTE_ROOM : 0));
  const element = add(drawing, 'g', { class: `step ${name}`, 'data-step': name });
  if (step.to) drawArrow(element, step);
  else drawMark(element, step);
  last = { name, element, times: 1, hasNote: step.note || step.noteWord };
  if (step.bar) moveBar(step.bar);
  showWord(caption, step.caption ?? name);
  grow();
}

/** Lengthens the bar by the time that has passed. */
export function grow() {
  const end = bottom + waited();
  const isFollowed = view.scrollHeight - view.scrollTop - view.clientHeight < 2 * ROW;
  bar?.setAttribute('height', end - bar.getAttribute('y'));
  drawing.style.height = `${end + ROW}px`;
  if (isFollowed) view.scrollTop = view.scrollHeight;
}

/** An attempt that fails like the one before it is counted, not drawn again. */
function countAgain() {
  last.times += 1;
  last.element.querySelector('.times').textContent = `×${last.times}`;
}

function moveDown(row) {
  bottom += waited() + row;
  bottomAt = performance.now();
}

function waited() {
  const seconds = bar ? (performance.now() - bottomAt) / 1000 : 0;
  return Math.min(seconds / timeoutSeconds, 1) * FULL_WAIT;
}

function moveBar(change) {
  bar?.setAttribute('height', bottom - bar.getAttribute('y'));
  bar = null;
  if (change === 'ends') return;
  bar = add(drawing, 'rect', { class: 'bar', x: `${LANES.browser}%`, width: `${LANES.server - LANES.browser}%`, y: bottom });
  drawing.prepend(bar);
}

function drawArrow(group, { from, to, label, note, noteWord, lost, low }) {
  const middle = (LANES[from] + LANES[to]) / 2;
  const end = lost ? LANES[from] + (LANES[to] - LANES[from]) * LOST_AT : LANES[to];
  const head = LANES[from] < end ? HEAD_TO_RIGHT : HEAD_TO_LEFT;
  add(group, 'line', { x1: `${LANES[from]}%`, x2: `${end}%`, y1: bottom, y2: bottom, pathLength: 1 });
  drawShape(group, end, lost ? CROSS : head);
  drawText(group, 'label', middle, low ? BESIDE : LABEL_ABOVE, label);
  drawText(group, 'note', middle, NOTE_BELOW, note, noteWord);
  if (lost) drawText(group, 'times', LANES[to] + 3, BESIDE, '');
}

/** What happens to one of them alone: a cross on its lane, and what it is in the middle of the stream. */
function drawMark(group, { from, label, labelWord }) {
  drawShape(group, LANES[from], CROSS);
  drawText(group, 'label', (LANES.browser + LANES.server) / 2, BESIDE, label, labelWord);
}

function drawShape(group, x, path) {
  const place = add(group, 'svg', { x: `${x}%`, y: bottom });
  add(place, 'path', { d: path });
}

function drawText(group, kind, x, below, content, word) {
  const text = add(group, 'text', { class: kind, x: `${x}%`, y: bottom + below });
  if (word) showWord(text, word);
  else text.textContent = content ?? '';
}

function add(parent, name, attributes) {
  const element = document.createElementNS(parent.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return parent.appendChild(element);
}
