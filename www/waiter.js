// One waiter: an EventSource from its request to `finish`.
//
// Its states are connecting → waiting → paid or timed-out; reconnecting whenever the line drops; crowded while this tab
// may not have a connection; stopped by a 204.

import { begin, isLast, knowsPayback, record } from './diagram.js';
import { element } from './dom.js';
import { heartbeatSeconds, timeoutSeconds, waitUrl } from './order.js';
import { forgetPayment, shorten, takePayment } from './payer.js';
import { FetchedEventSource } from './stream.js';
import { giveBack, mayConnect, somebodyLeft, takeTicket } from './tabs.js';
import { showEnd, showHead, showLine, showRequest } from './wire.js';

/** What the server says instead of a result when the time is over. */
const TIMEOUT_TEXT = 'timeout!!';
const FINISH_ID = '6666';
/** The comment before a result that the server has had for so many seconds. */
const SETTLED = /^settled ([0-9.]+) s ago$/;
/** Milliseconds until a browser comes back, until a `retry:` says otherwise. */
const USUAL_RETRY = 1000;
/** Milliseconds until an answer has to begin; twice as many after each that did not, up to the last. */
const FIRST_DEADLINE = 1000;
const LAST_DEADLINE = 12000;
/** What was due so long ago will not come: the line has died in silence … */
const OVERDUE_SECONDS = 1.5;
/** … if it was due at so many looks: a page that was asleep first hears what has come meanwhile. */
const OVERDUE_LOOKS = 5;
/** Milliseconds after which a page that was to go has stayed. Its EventSource may have ended without a word. */
const STAYED = 1000;

let tell = null; // who is told of states, messages and requests
let state = null;
let source = null;
let ticket = null;
let lastEventId = ''; // what a browser that comes back says
let retry = USUAL_RETRY;
let deadline = FIRST_DEADLINE;
let openedAt = null; // by a clock that goes on while the computer sleeps
let heardAt = null;
let overdueLooks = 0;
let asked = null; // the header fields of the last request
let answered = null;
let attempt = null; // its step, while there is no answer
let failed = null; // the step of one that has failed, where others like it are counted
let why = 'getAgain'; // the next one is made
let isExplained = false; // how there can be a result
let timeout = null; // the step of a message that looks like one
let returning = null; // a timer

/** `onState` is told each state, `onMessage` each text, `onRequest` of each request. */
export function tellOf(listeners) {
  tell = listeners;
}

/** The seconds that the stream is open, or null. */
export function secondsOpen() {
  return openedAt && (Date.now() - openedAt) / 1000;
}

export function placeOrder() {
  forgetPayment();
  lastEventId = '';
  connect();
}

/** Connects as soon as this tab may have a connection. */
async function connect() {
  const mine = (ticket = takeTicket());
  source = null;
  enter('connecting');
  while (ticket === mine && !(await mayConnect(mine))) {
    enter('crowded');
    await somebodyLeft();
  }
  if (ticket !== mine) return; // the page was left meanwhile
  enter('connecting');
  if (lastEventId === '') begin();
  if (!element('native').checked || lastEventId !== '') return comeBack();
  const native = (source = new EventSource(waitUrl));
  listen(native);
  onRequest({ detail: {} }); // of which it does not tell
  addEventListener('beforeunload', () => setTimeout(() => source === native && look(), STAYED));
}

function listen(source) {
  source.addEventListener('request', onRequest);
  source.addEventListener('head', ({ detail }) => (answered = detail));
  source.addEventListener('line', onLine);
  source.addEventListener('comment', onComment);
  source.addEventListener('open', onOpen);
  source.addEventListener('waiting', onWaiting);
  source.addEventListener('message', onMessage);
  source.addEventListener('finish', onFinish);
  source.addEventListener('error', onError);
}

// What is sent, and what comes

function onRequest({ detail: headers }) {
  tell.onRequest();
  [asked, answered] = [headers, null];
  attempt = isLast(failed) ? null : drawRequest();
}

function drawRequest() {
  showRequest(waitUrl, asked);
  const id = asked['Last-Event-ID'];
  return record(id ? why : 'get', id && { label: `Last-Event-ID: ${id}` }).leave();
}

function arrive() {
  (attempt ?? drawRequest()).arrive();
  if (answered) showHead(answered);
  attempt = failed = null;
}

function onOpen() {
  arrive();
  record('open');
  openedAt = heardAt = Date.now();
  [why, deadline, timeout, overdueLooks, isExplained] = ['getAgain', FIRST_DEADLINE, null, 0, false];
  enter('waiting');
}

function onLine({ detail }) {
  heardAt = Date.now();
  retry = source.retry ?? retry;
  showLine(detail);
}

function onWaiting({ lastEventId: id }) {
  lastEventId = id;
  record('opening', { label: `event:waiting id:${id} retry:${retry}` });
}

function onComment({ detail: comment }) {
  const settled = SETTLED.exec(comment);
  if (!settled) return record('heartbeat');
  const at = Date.now() - settled[1] * 1000;
  takePayment();
  isExplained = true;
  if (!knowsPayback(at)) record('earlier', { at, note: `:${comment}` });
}

function onMessage({ data }) {
  const isTimeout = data === TIMEOUT_TEXT;
  if (!isTimeout) explain();
  const step = record('message', { label: `data:${shorten(data)}` });
  timeout = isTimeout ? step : null;
  tell.onMessage(data);
}

/** Somebody has paid: this page, or another. */
function explain(details) {
  if (!isExplained && !takePayment()) record('elsewhere', details);
}

function onFinish({ data, lastEventId: id }) {
  if (timeout) explain({ before: timeout });
  record('finish', { label: `event:finish id:${id} data:${data}` });
  end('paid');
}

/** A timeout is decided only here: a payback may have the same text, and is followed by `finish`. */
function onError({ detail: how }) {
  if (how === 'ended') showEnd();
  if (timeout) return timeOut();
  if (openedAt) recordLoss(how === 'ended' ? how : 'lost');
  else if (attempt === null) failed.again();
  else if (how === 'refused') refuse();
  else fail();
  if (isOver()) return source.close();
  drop();
  if (how !== 'late') return comeBackLater();
  deadline = Math.min(2 * deadline, LAST_DEADLINE);
  comeBack();
}

/** An EventSource gives up. This page does so only after 204, which is meant so. */
function refuse() {
  const { status, statusText } = answered;
  const step = status === 204 ? 'noContent' : 'noStream';
  arrive();
  failed = record(step, { label: `${status} ${statusText}` });
  if (status === 204 && !isOver()) end('stopped');
}

function fail() {
  attempt.fail('unanswered');
  failed = attempt;
}

function timeOut() {
  timeout.become('timeout');
  record('timedOut');
  end('timed-out');
}

function end(how) {
  source.close();
  record('close');
  openedAt = null;
  giveBack(ticket);
  enter(how);
}

function drop() {
  openedAt = null;
  enter('reconnecting');
}

function enter(newState) {
  state = newState;
  tell.onState(state);
}

export function isOver() {
  return ['paid', 'timed-out', 'stopped'].includes(state);
}

// Going and coming back

/** Closes, and comes back as late as a browser would. */
export function loseConnection() {
  recordLoss('lost');
  drop();
  comeBackLater();
}

function recordLoss(how) {
  record(how, { note: `retry:${retry}` });
}

function comeBackLater() {
  source.close();
  returning = setTimeout(comeBack, retry);
}

/** Comes back by hand: a script cannot give an EventSource the last event ID. */
function comeBack() {
  clearTimeout(returning);
  source?.close();
  if (attempt) fail();
  openedAt = null;
  listen((source = new FetchedEventSource(waitUrl, lastEventId, deadline)));
}

/** Somebody looks. Nothing tells a quiet line from a dead one, but to ask anew. */
export function look() {
  if (document.hidden || source === null) return;
  if (state === 'waiting') why = 'lookAgain';
  if (state === 'waiting' || state === 'reconnecting') comeBack();
}

/** Whether the line has died in silence. */
export function checkLine() {
  overdueLooks = openedAt && isOverdue() ? overdueLooks + 1 : 0;
  if (overdueLooks >= OVERDUE_LOOKS) loseConnection();
}

function isOverdue() {
  const isHeard = heartbeatSeconds > 0 && source instanceof FetchedEventSource;
  const silent = (Date.now() - heardAt) / 1000;
  return (isHeard && silent > 2 * heartbeatSeconds + OVERDUE_SECONDS) || secondsOpen() > timeoutSeconds + OVERDUE_SECONDS;
}

/** Nobody reads what is pushed to a page in the back/forward cache. */
export function leave() {
  if (isOver()) return;
  clearTimeout(returning);
  source?.close();
  source = null;
  if (openedAt) record('left');
  openedAt = null;
  giveBack(ticket);
  ticket = null;
}

export function comeBackToPage() {
  if (!isOver()) connect();
}

/** As an EventSource would that was not closed. */
export function comeBackAfterFinish() {
  [lastEventId, why] = [FINISH_ID, 'stray'];
  comeBack();
}
