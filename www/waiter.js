// One waiter: an EventSource from its request to `finish`.
//
// Its states are connecting → waiting → paid or timed-out; reconnecting whenever the line drops; crowded while this
// tab may not have a connection.

import { begin, isLast, knowsPayback, record } from './diagram.js';
import { heartbeatSeconds, timeoutSeconds, waitUrl } from './order.js';
import { forgetPayment, shorten, takePayment } from './payer.js';
import { FetchedEventSource, USUAL_RETRY } from './stream.js';
import { giveBack, mayConnect, somebodyLeft, takeTicket } from './tabs.js';
import { showEnd, showHead, showLine, showRequest } from './wire.js';

/** What the server says instead of a result when the time is over. */
const TIMEOUT_TEXT = 'timeout!!';
/** The id of `finish`. */
const FINISH_ID = '6666';
/** What the server says in a comment before a result that it has had for so many seconds. */
const SETTLED = /^settled ([0-9.]+) s ago$/;
/** Who has heard nothing for so long after it was due is on a line that has died in silence. */
const OVERDUE_SECONDS = 1.5;
/** So often in a row: a page that was asleep first hears what has come meanwhile. */
const OVERDUE_LOOKS = 5;

let tell = null; // who is told of states and messages
let state = null;
let source = null;
let readsByHand = true;
let ticket = null;
let lastEventId = ''; // of the opening, and so what a browser that comes back says
let openedAt = null; // when the stream that is open began, by a clock that goes on while the computer sleeps
let heardAt = null; // when it said something last
let overdueLooks = 0;
let retry = ''; // in milliseconds, as the stream says
let asked = null; // the header fields of the last request
let answered = null; // what it was answered
let attempt = null; // the step of it, while it is drawn and has no answer
let failed = null; // the step of the last one that has failed; those like it are counted there
let why = 'getAgain'; // the next one is made
let isExplained = false; // how it comes that there is a result
let timeout = null; // the step of a message that looks like one
let returning = null; // the timer of a return

/** `onState` is told each new state, `onMessage` each message's text, `onRequest` of each request. */
export function tellOf(listeners) {
  tell = listeners;
}

/** Whether the next stream is read by hand, or by the browser's own EventSource, which hides most of it. */
export function readByHand(byHand) {
  readsByHand = byHand;
}

/** The seconds that the stream is open, or null if it is not. */
export function secondsOpen() {
  return openedAt === null ? null : (Date.now() - openedAt) / 1000;
}

/** Places the order. */
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
  if (readsByHand || lastEventId !== '') listen(new FetchedEventSource(waitUrl, lastEventId));
  else listenToBrowser();
}

function listen(newSource) {
  source = newSource;
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

/** It tells neither of its request nor of a comment. */
function listenToBrowser() {
  listen(new EventSource(waitUrl));
  onRequest({ detail: {} });
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
  const details = id && { label: `Last-Event-ID: ${id}` };
  return record(id ? why : 'get', details).leave();
}

function arrive() {
  (attempt ?? drawRequest()).arrive();
  if (answered) showHead(answered);
  attempt = failed = null;
}

function onOpen() {
  arrive();
  record('open');
  why = 'getAgain';
  openedAt = heardAt = Date.now();
  overdueLooks = 0;
  enter('waiting');
}

function onLine({ detail }) {
  heardAt = Date.now();
  if (detail.name === 'retry') retry = detail.value;
  showLine(detail);
}

function onWaiting({ lastEventId: id }) {
  lastEventId = id;
  isExplained = false;
  record('opening', { label: `event:waiting id:${id}${retry && ` retry:${retry}`}` });
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
  if (!isExplained && !takePayment()) record('elsewhere');
  isExplained = false;
  const step = record('message', { label: `data:${shorten(data)}` });
  timeout = data === TIMEOUT_TEXT ? step : null;
  tell.onMessage(data);
}

function onFinish({ data, lastEventId: id }) {
  record('finish', { label: `event:finish id:${id} data:${data}` });
  timeout = null;
  end('paid');
}

/**
 * The stream has ended, or a request for it has failed. After a timeout that is all: it is decided only here, since a
 * payback may have the same words for its text, and is followed by `finish`.
 */
function onError({ detail: how }) {
  if (how === 'ended') showEnd();
  if (timeout !== null) return timeOut();
  if (openedAt !== null) record(how === 'ended' ? how : 'lost');
  else if (how === 'refused') refuse();
  else fail();
  if (isOver()) return source.close();
  drop();
  const comesBack = source.readyState === EventSource.CONNECTING && source instanceof FetchedEventSource;
  if (!comesBack) comeBackLater();
}

/**
 * An answer other than an event stream, a proxy's 502 say, makes an EventSource give up. This page does not; but 204 is
 * meant so.
 */
function refuse() {
  const label = `${answered.status} ${answered.statusText}`;
  if (attempt === null) return failed.again();
  arrive();
  if (answered.status !== 204) failed = record('noStream', { label });
  else record('noContent', { label });
  if (answered.status === 204 && !isOver()) end('stopped');
}

function fail() {
  if (attempt === null) return failed.again();
  attempt.fail('unanswered');
  failed = attempt;
}

function timeOut() {
  timeout.become('timeout');
  timeout = null;
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

function isOver() {
  return ['paid', 'timed-out', 'stopped'].includes(state);
}

// Going and coming back

/** Closes, and comes back as late as a browser would. */
export function loseConnection() {
  source.close();
  record('lost');
  drop();
  comeBackLater();
}

function comeBackLater() {
  source.close();
  clearTimeout(returning);
  returning = setTimeout(comeBack, retry || USUAL_RETRY);
}

/** Comes back with the last event ID, which a script cannot give to the browser's EventSource. */
function comeBack() {
  clearTimeout(returning);
  source.close();
  openedAt = null;
  listen(new FetchedEventSource(waitUrl, lastEventId));
}

/** Somebody looks. Nothing tells a quiet line from a dead one, but to ask anew. */
export function look() {
  if (document.hidden || source === null) return;
  if (state === 'waiting') why = 'lookAgain';
  if (state === 'waiting' || state === 'reconnecting') comeBack();
}

/** Finds out whether the line has died in silence, or the browser's EventSource has stopped without a word. */
export function checkLine() {
  if (source?.readyState === EventSource.CLOSED && (state === 'connecting' || state === 'waiting')) return onError({});
  const silent = (Date.now() - heardAt) / 1000 - 2 * heartbeatSeconds;
  const isSilent = heartbeatSeconds > 0 && source instanceof FetchedEventSource && silent > OVERDUE_SECONDS;
  const isOverdue = openedAt !== null && (isSilent || secondsOpen() > timeoutSeconds + OVERDUE_SECONDS);
  overdueLooks = isOverdue ? overdueLooks + 1 : 0;
  if (overdueLooks < OVERDUE_LOOKS) return;
  record('lost');
  drop();
  comeBack();
}

/** Leaves the page, which may go into the back/forward cache: nobody reads there what the server pushes. */
export function leave() {
  if (isOver()) return;
  clearTimeout(returning);
  source?.close();
  if (openedAt !== null) record('left');
  openedAt = null;
  giveBack(ticket);
  ticket = null;
}

/** Comes back from there, and asks what has happened meanwhile. */
export function comeBackToPage() {
  if (!isOver()) connect();
}

/** Shows what an EventSource would hear that came back after `finish`: the page's own has closed. */
export function comeBackAfterFinish() {
  [lastEventId, why] = [FINISH_ID, 'stray'];
  comeBack();
}
