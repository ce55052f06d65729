// One waiter: an EventSource from its request to `finish`.
//
// Its states are connecting → waiting → paid or timed-out; reconnecting whenever the line drops; crowded while this
// tab has no connection to itself.

import { record } from './diagram.js';
import { timeoutSeconds, waitUrl } from './order.js';
import { forgetPayment, hasPaid, shorten } from './payer.js';
import { FetchedEventSource, USUAL_RETRY } from './stream.js';
import { giveBack, mayConnect, somebodyLeft, takeTicket } from './tabs.js';

/** What the server says instead of a result when the time is over. */
const TIMEOUT_TEXT = 'timeout!!';
/** Who has heard nothing when so little is left is on a line that has died in silence. */
const OVERDUE_SECONDS = -1.5;

let tell = null; // who is told of states and messages
let state = null;
let source = null;
let ticket = null;
let lastEventId = null; // of the opening, and so what a browser that comes back sends
let openedAt = null; // when the stream that is open began, by a clock that goes on while the computer sleeps
let requestIsDrawn = false;
let lastText = null;
let returning = null; // the timer of a return

/** `onState` is told each new state, `onMessage` each message's text. */
export function tellOf({ onState, onMessage }) {
  tell = { onState, onMessage };
}

/** The seconds until the timeout, or null if no stream is open. */
export function secondsLeft() {
  return openedAt === null ? null : timeoutSeconds - (Date.now() - openedAt) / 1000;
}

/** Places the order, as soon as this tab may have a connection. */
export async function placeOrder() {
  if (state !== 'timed-out') forgetPayment(); // what was paid after a timeout is kept for this waiter
  enter('connecting');
  lastEventId = null;
  ticket = takeTicket();
  while (!(await mayConnect(ticket))) {
    enter('crowded');
    await somebodyLeft();
  }
  enter('connecting');
  drawRequest();
  listen(new EventSource(waitUrl));
}

/** Closes, and comes back as late as a browser would. */
export function loseConnection() {
  source.close();
  drop();
  comeBackLater();
}

/** Finds out whether the line has died in silence. */
export function checkLine() {
  if (secondsLeft() < OVERDUE_SECONDS) comeBack();
}

/** Leaves the page, which may go into the back/forward cache: nobody reads there what the server pushes. */
export function leave() {
  source?.close();
}

/** Comes back from there, and asks what has happened meanwhile. */
export function comeBackToPage() {
  if (isOver() || state === 'crowded') return;
  ticket = takeTicket();
  comeBack();
}

function isOver() {
  return state === 'paid' || state === 'timed-out';
}

/** Comes back at once, since somebody looks. */
export function hurry() {
  if (state === 'reconnecting') comeBack();
}

function comeBackLater() {
  returning = setTimeout(comeBack, USUAL_RETRY);
}

/** Comes back with the last event ID, which a script cannot give to an EventSource. */
function comeBack() {
  clearTimeout(returning);
  source.close();
  if (openedAt !== null) drop();
  listen(new FetchedEventSource(waitUrl, lastEventId));
}

function listen(newSource) {
  source = newSource;
  source.addEventListener('open', onOpen);
  source.addEventListener('waiting', (opening) => (lastEventId = opening.lastEventId));
  source.addEventListener('message', onMessage);
  source.addEventListener('finish', onFinish);
  source.addEventListener('error', onError);
  source.addEventListener('comment', () => record('heartbeat'));
}

function onOpen() {
  if (!requestIsDrawn) drawRequest();
  requestIsDrawn = false;
  record('open');
  openedAt = Date.now();
  enter('waiting');
}

function onMessage({ data }) {
  lastText = data;
  tell.onMessage(data);
  const label = `data:${shorten(data)}`;
  if (data === TIMEOUT_TEXT) return record('timeout', { label });
  if (!hasPaid()) record('elsewhere');
  record('message', { label });
}

function onFinish({ data, lastEventId: id }) {
  record('finish', { note: `id:${id} data:${data}` });
  end('paid');
}

/**
 * The stream has ended, or a request for it has failed. After a timeout that is all; it is decided only here, since
 * a payback may have the same words for its text, and is followed by `finish`.
 */
function onError() {
  if (lastText === TIMEOUT_TEXT) return end('timed-out');
  drop();
  // An answer other than an event stream, a proxy's 502 say, makes an EventSource give up. This page does not.
  if (source.readyState === EventSource.CLOSED) comeBackLater();
}

function end(how) {
  source.close();
  record('close');
  openedAt = null;
  lastText = null;
  giveBack(ticket);
  enter(how);
}

function drop() {
  record(openedAt !== null || requestIsDrawn ? 'lost' : 'unanswered');
  openedAt = null;
  requestIsDrawn = false;
  enter('reconnecting');
}

function drawRequest() {
  if (lastEventId === null) record('get');
  else record('getAgain', { note: `Last-Event-ID: ${lastEventId}` });
  requestIsDrawn = true;
}

function enter(newState) {
  state = newState;
  tell.onState(state);
}
