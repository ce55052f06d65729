// The wire: the stream's own bytes, line by line, as a second waiter of the order receives them.

import { record } from './diagram.js';
import { waitUrl } from './order.js';
import { FetchedEventSource, splitField } from './stream.js';
import { giveBack, mayConnect, takeTicket } from './tabs.js';
import { showWord } from './words.js';

/** How long this waiter may outlive the page's own, so that its last lines still arrive. */
const LINGER_MS = 1000;

const HINTS = { event: 'hintEvent', id: 'hintId', retry: 'hintRetry', data: 'hintData', '': 'hintComment' };

const panel = document.getElementById('wire');
const lines = document.getElementById('lines');

let ticket = null;
let source = null;
let lingering = null;

/** Opens the second waiter, if the panel is open and has none. */
export async function openWire() {
  if (!panel.open || ticket !== null) return;
  const mine = (ticket = takeTicket());
  lines.replaceChildren();
  const isFree = await mayConnect(mine);
  if (ticket !== mine) return; // closed meanwhile
  if (isFree) listen();
  else endWith('crowded');
}

export function closeWire() {
  clearTimeout(lingering);
  source?.close();
  source = null;
  giveBack(ticket);
  ticket = null;
}

/** The page's own waiter is gone; this one, if it is there already, may still hear its last lines. */
export function closeWireSoon() {
  lingering = setTimeout(closeWire, source === null ? 0 : LINGER_MS);
}

function listen() {
  record('second');
  source = new FetchedEventSource(waitUrl, null);
  source.addEventListener('line', ({ data }) => addLine('line', data, hintFor(data)));
  source.addEventListener('comment', () => record('secondHeartbeat'));
  source.addEventListener('error', () => endWith('hintEnd'));
}

/** Once is enough: the page's own waiter shows how a browser comes back. */
function endWith(hint) {
  addLine('end', '', hint);
  closeWire();
}

function hintFor(line) {
  return line === '' ? 'hintBlank' : HINTS[splitField(line)[0]];
}

function addLine(kind, text, hint) {
  const line = document.createElement('li');
  line.className = kind;
  line.tabIndex = 0;
  const bytes = document.createElement('code');
  bytes.textContent = text;
  const explanation = document.createElement('span');
  showWord(explanation, hint);
  line.append(bytes, explanation);
  lines.append(line);
  lines.scrollTop = lines.scrollHeight;
}
