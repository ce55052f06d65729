// The scene as a sequence diagram: a list of steps, each with its time, its arrow, and what it means.
//
// Who sees something happen records it; no clock invents a step. One step is pointed at: the last, until somebody goes
// back. Who shows more of it listens to the view for `recorded` and `pointed`.

import { element, make, reveal } from './dom.js';
import { order, timeoutSeconds } from './order.js';
import { showWord } from './words.js';

const ASK = { from: 'browser', to: 'server' };
const AGAIN = { ...ASK, bar: 'ends' };
const PUSH = { from: 'server', to: 'browser' };
const PAY = { from: 'platform', to: 'server', label: `POST /sse/payback/${order}` };
const ANSWER = { from: 'server', to: 'platform' };
const END = { from: 'server', bar: 'ends', labelWord: 'endOfStream' };

/** One with `to` is an arrow, one without a cross. The bar of the open stream begins or ends with some. */
const STEPS = {
  get: { ...AGAIN, label: `GET /sse/orderpay/${order}` },
  getAgain: AGAIN,
  lookAgain: AGAIN,
  open: { ...PUSH, bar: 'begins', label: '200 OK text/event-stream' },
  noStream: PUSH,
  opening: PUSH,
  heartbeat: { ...PUSH, label: ':' },
  payback: PAY,
  elsewhere: { ...PAY, label: 'payback' },
  earlier: { ...PAY, label: 'payback' },
  ok: ANSWER,
  refused: ANSWER,
  message: PUSH,
  finish: PUSH,
  close: { from: 'browser', bar: 'ends', label: 'close()' },
  left: { from: 'browser', bar: 'ends', label: 'pagehide' },
  ended: END,
  timedOut: END,
  lost: { ...END, labelWord: 'connectionLost' },
  stray: ASK,
  noContent: PUSH,
};

/** Two tellings of one payback are no farther apart than this. */
const SAME_PAYBACK_MS = 1500;
const MOST_STEPS = 60;
/** What the open bar grows by, from its beginning to the timeout. */
const GROWTH_REM = 4;

const view = element('view');
const goesOn = element('goes-on');

const steps = [];
let pointed = null; // null: the last one, whichever that is
let beganAt = Date.now(); // from then on the seconds are counted
let isOpen = false; // the stream
let secondsOpen = null;

export function begin() {
  beganAt = Date.now();
}

/** A moment in those seconds. */
export function clock(at = Date.now()) {
  return `${((at - beganAt) / 1000).toFixed(1).replace('-', '−')} s`;
}

export function isLast(step) {
  return step !== null && step === steps.at(-1);
}

/** Whether a payback of that moment is drawn. */
export function knowsPayback(at) {
  return steps.some((step) => step.shape.from === 'platform' && step.isThere && Math.abs(step.at - at) < SAME_PAYBACK_MS);
}

/** Draws what has just happened or, with `at`, what happened then. Heartbeats in a row are one step. */
export function record(name, details) {
  const isRepeated = name === 'heartbeat' && steps.at(-1)?.name === name;
  const step = isRepeated ? steps.at(-1) : new Step(name, { at: Date.now(), ...details });
  if (isRepeated) step.again();
  else put(step);
  view.dispatchEvent(new CustomEvent('recorded', { detail: step }));
  if (pointed === null) showPointed();
  return step;
}

class Step {
  isThere = true; // an arrow that is still on its way, or has failed, is not
  #times = 1;

  constructor(name, { at, before, label, note }) {
    Object.assign(this, { name, at, before, shape: STEPS[name] });
    this.row = make('li', `row step ${name}`);
    this.row.dataset.step = name;
    this.time = make('time', '', clock(at));
    this.count = make('b');
    this.why = make('span', 'why');
    const words = make('p');
    const labelled = make('code', 'label', label ?? this.shape.label);
    if (this.shape.labelWord) showWord(labelled, this.shape.labelWord);
    words.append(labelled, ' ', make('code', 'note', note), ' ', this.count, ' ', this.why);
    this.row.append(this.time, lanes(this.shape), words);
    showWord(this.why, name);
  }

  /** It has happened once more, in the same way. */
  again() {
    this.count.textContent = `×${++this.#times}`;
    this.time.textContent = clock();
  }

  leave() {
    this.isThere = false;
    this.row.classList.add('leaving');
    return this;
  }

  arrive() {
    this.isThere = true;
    this.row.classList.remove('leaving');
  }

  fail(why) {
    this.row.classList.replace('leaving', 'failed');
    showWord(this.why, why);
  }

  /** It has turned out to be another. */
  become(name) {
    this.row.classList.replace(this.name, name);
    this.row.dataset.step = this.name = name;
    showWord(this.why, name);
  }
}

/** Three lines, and between two of them an arrow, or on one of them a cross. */
function lanes({ from, to }) {
  const lanes = make('span', 'lanes');
  const halves = [make('i'), make('i')];
  const isRight = to === 'platform' || from === 'browser';
  const half = halves[Number(from === 'platform' || to === 'platform')];
  half.append(to ? make('span', `arrow ${isRight ? 'right' : 'left'}`) : make('span', `cross at-${from}`, '×'));
  lanes.ariaHidden = true;
  lanes.append(...halves);
  return lanes;
}

/** Puts it among the others by its time. */
function put(step) {
  const later = steps.findIndex((other) => (step.before ? other === step.before : other.at > step.at));
  const place = later < 0 ? steps.length : later;
  const wasOpen = steps[place - 1]?.isOpen ?? false;
  const bar = later < 0 && step.shape.bar;
  step.isOpen = bar === 'begins' || (wasOpen && bar !== 'ends');
  if (wasOpen || step.isOpen) step.row.classList.add('bar', bar || 'goes');
  element('steps').insertBefore(step.row, steps[place]?.row ?? null);
  steps.splice(place, 0, step);
  isOpen = steps.at(-1).isOpen;
  goesOn.hidden = !isOpen;
  if (steps.length > MOST_STEPS) forgetOldest();
}

function forgetOldest() {
  const oldest = steps.shift();
  oldest.row.remove();
  if (pointed === oldest) point(null);
  element('older').hidden = false;
}

/** The stream is open, since so many seconds. */
export function grow(seconds) {
  if (seconds === secondsOpen) return;
  secondsOpen = seconds;
  element('since').textContent = `${seconds} s`;
  goesOn.style.setProperty('--grown', `${Math.min(seconds / timeoutSeconds, 1) * GROWTH_REM}rem`);
  follow();
}

// The pointer

/** Points at this step; null: at the last one, whichever that is. */
export function point(step) {
  pointed = isLast(step) ? null : step;
  showPointed();
}

function pointFurther(by) {
  const at = steps.indexOf(pointed ?? steps.at(-1)) + by;
  if (at in steps) point(steps[at]);
}

/** Tells of it once more, also whoever was not to be seen before. */
export function showPointed() {
  const step = pointed ?? steps.at(-1);
  if (!step) return;
  view.querySelector('[aria-current]')?.removeAttribute('aria-current');
  step.row.setAttribute('aria-current', 'step');
  follow();
  view.dispatchEvent(new CustomEvent('pointed', { detail: step }));
}

/** Keeps in view what is pointed at and, below the last step, the stream that goes on. */
function follow() {
  if (steps.length === 0) return;
  if (pointed === null && isOpen) reveal(view, goesOn);
  reveal(view, (pointed ?? steps.at(-1)).row);
}

function pressKey(press) {
  const by = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[press.key];
  if (!by || press.altKey) return;
  press.preventDefault();
  pointFurther(by);
}

view.addEventListener('keydown', pressKey);
view.addEventListener('click', ({ target }) => {
  const step = steps.find(({ row }) => row.contains(target));
  if (step) point(step);
});
element('back').addEventListener('click', () => pointFurther(-1));
element('forth').addEventListener('click', () => pointFurther(1));
const sizes = new ResizeObserver(follow);
sizes.observe(view);
sizes.observe(element('steps'));
