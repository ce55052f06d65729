// The scene as a sequence diagram: a list of steps, each with its time, its arrow, and what it means.
//
// Whoever sees something happen records it; no clock invents a step. One step is pointed at: the last one, until
// somebody goes back. Whoever shows something else of it listens to the view for `recorded` and `pointed`.

import { element, make, reveal } from './dom.js';
import { order, timeoutSeconds } from './order.js';
import { showWord } from './words.js';

const ASK = { from: 'browser', to: 'server' };
const PUSH = { from: 'server', to: 'browser' };
const PAY = { from: 'platform', to: 'server' };
const ANSWER = { from: 'server', to: 'platform' };

/**
 * Every step there is. One with `to` is an arrow, one without is a cross on its lane. The bar of the open stream
 * begins or ends with some. What differs each time, its label, is given to record().
 */
const STEPS = {
  get: { ...ASK, bar: 'ends', label: `GET /sse/orderpay/${order}` },
  getAgain: { ...ASK, bar: 'ends' },
  lookAgain: { ...ASK, bar: 'ends' },
  open: { ...PUSH, bar: 'begins', label: '200 OK text/event-stream' },
  noStream: PUSH,
  opening: PUSH,
  heartbeat: { ...PUSH, label: ':' },
  payback: { ...PAY, label: `POST /sse/payback/${order}` },
  elsewhere: { ...PAY, label: 'payback' },
  earlier: { ...PAY, label: 'payback' },
  ok: ANSWER,
  refused: ANSWER,
  message: PUSH,
  finish: PUSH,
  close: { from: 'browser', bar: 'ends', label: 'close()' },
  left: { from: 'browser', bar: 'ends', label: 'pagehide' },
  ended: { from: 'server', bar: 'ends', labelWord: 'endOfStream' },
  timedOut: { from: 'server', bar: 'ends', labelWord: 'endOfStream' },
  lost: { from: 'server', bar: 'ends', labelWord: 'connectionLost' },
  stray: ASK,
  noContent: PUSH,
};

const PAYBACKS = ['payback', 'elsewhere', 'earlier'];
/** Two tellings of one payback are no farther apart than this. */
const SAME_PAYBACK_MS = 1500;
/** More would cost a slow computer time, and nobody reads them. */
const MOST_STEPS = 60;
/** The open bar grows by this, from its beginning to the timeout. */
const GROWTH_REM = 4;

const view = element('view');
const goesOn = element('goes-on');

let steps = [];
let pointed = null; // null: the last one, whichever that is
let beganAt = Date.now(); // from then on the seconds are counted
let isOpen = false; // the stream
let secondsOpen = null;

/** From now on the seconds are counted anew. */
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
  return steps.some((step) => PAYBACKS.includes(step.name) && step.isArrow && Math.abs(step.at - at) < SAME_PAYBACK_MS);
}

/** Draws what has just happened; or, with `at`, what had happened then. A step like the last heartbeat is counted. */
export function record(name, details) {
  const last = steps.at(-1);
  const step = name === 'heartbeat' && last?.name === name ? last : new Step(name, { at: Date.now(), ...details });
  if (step === last) step.again();
  else put(step);
  view.dispatchEvent(new CustomEvent('recorded', { detail: step }));
  if (pointed === null) showPointed();
  return step;
}

/** One row. */
class Step {
  times = 1;
  /** Whether it is drawn as having arrived. */
  isArrow = true;

  constructor(name, { at, label, note = '' }) {
    this.name = name;
    this.at = at;
    this.shape = STEPS[name];
    this.row = make('li', `row step ${name}`);
    this.row.dataset.step = name;
    this.time = make('time');
    this.count = make('b', 'times');
    this.label = make('code', 'label', label ?? this.shape.label);
    this.why = make('span', 'why');
    const words = make('p');
    words.append(this.label, ' ', make('code', 'note', note), ' ', this.count, ' ', this.why);
    this.row.append(this.time, this.#lanes(), words);
    if (this.shape.labelWord) showWord(this.label, this.shape.labelWord);
    showWord(this.why, name);
    this.time.textContent = clock(at);
  }

  /** It has happened once more, in the same way. */
  again() {
    this.count.textContent = `×${++this.times}`;
    this.time.textContent = clock();
  }

  /** It is on its way, and nobody knows yet whether it arrives. */
  leave() {
    this.isArrow = false;
    this.row.classList.add('leaving');
    return this;
  }

  arrive() {
    this.isArrow = true;
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
    if (pointed === null) showPointed();
  }

  #lanes() {
    const { from, to } = this.shape;
    const lanes = make('span', 'lanes');
    lanes.ariaHidden = true;
    const halves = [make('i'), make('i')];
    const isRight = to === 'platform' || (from === 'browser' && to);
    halves[from === 'platform' || to === 'platform' ? 1 : 0].append(
      to ? make('span', isRight ? 'arrow right' : 'arrow left') : make('span', `cross at-${from}`, '×'),
    );
    lanes.append(...halves);
    return lanes;
  }
}

/** Puts it among the others by its time. */
function put(step) {
  const next = steps.findIndex(({ at }) => at > step.at);
  const place = next < 0 ? steps.length : next;
  const before = steps[place - 1];
  const barIsOpen = next < 0 ? isOpen : Boolean(before?.barGoesOn);
  const { bar } = next < 0 ? step.shape : {};
  step.barGoesOn = bar === 'begins' || (barIsOpen && bar !== 'ends');
  if (barIsOpen || bar === 'begins') step.row.classList.add('bar');
  if (bar && (barIsOpen || bar === 'begins')) step.row.classList.add(bar);
  if (next < 0) setOpen(step.barGoesOn);
  element('steps').insertBefore(step.row, steps[place]?.row ?? null);
  steps.splice(place, 0, step);
  forgetOldest();
}

function forgetOldest() {
  if (steps.length <= MOST_STEPS) return;
  const oldest = steps.shift();
  oldest.row.remove();
  if (pointed === oldest) point(null);
  element('older').hidden = false;
}

function setOpen(willBeOpen) {
  isOpen = willBeOpen;
  goesOn.hidden = !isOpen;
}

/** The stream is open, since so many seconds. */
export function grow(seconds) {
  if (!isOpen || seconds === secondsOpen) return;
  secondsOpen = seconds;
  element('since').textContent = `${seconds} s`;
  goesOn.style.setProperty('--grown', `${Math.min(seconds / timeoutSeconds, 1) * GROWTH_REM}rem`);
  follow();
}

// The pointer

/** Points at this step; null: at the last one, from now on. */
export function point(step) {
  pointed = isLast(step) ? null : step;
  showPointed();
}

/** Points at the step that is so many further on. */
export function pointFurther(by) {
  const at = steps.indexOf(pointed ?? steps.at(-1)) + by;
  if (at in steps) point(steps[at]);
}

function showPointed() {
  const step = pointed ?? steps.at(-1);
  view.querySelector('[aria-current]')?.removeAttribute('aria-current');
  step.row.setAttribute('aria-current', 'step');
  follow();
  view.dispatchEvent(new CustomEvent('pointed', { detail: step }));
}

/** Keeps in view what is pointed at, and below the last step the stream that goes on. */
function follow() {
  if (steps.length === 0) return;
  if (pointed === null && isOpen) reveal(view, goesOn);
  reveal(view, (pointed ?? steps.at(-1)).row);
}

const KEYS = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, Home: -MOST_STEPS, End: MOST_STEPS };

function pressKey(press) {
  const by = KEYS[press.key];
  if (!by || press.ctrlKey || press.altKey || press.metaKey) return;
  press.preventDefault();
  if (Math.abs(by) === 1) pointFurther(by);
  else point(steps.at(by < 0 ? 0 : -1));
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
