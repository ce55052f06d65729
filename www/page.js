// The page: what is shown in each state, the buttons, the clock.

import { grow, showPointed } from './diagram.js';
import { element, make } from './dom.js';
import './map.js';
import { needsToken, newOrderUrl, order, timeoutSeconds } from './order.js';
import { pay } from './payer.js';
import {
  checkLine, comeBackAfterFinish, comeBackToPage, isOver, leave, look, loseConnection, placeOrder, secondsOpen, tellOf,
} from './waiter.js';
import { showWays } from './ways.js';
import { say, showAllWords, showWord, switchLanguage } from './words.js';

const CLOCK_MS = 200;

const tabs = document.querySelectorAll('nav button');

let state = null;
let requests = 0;
let waitedMs = 0; // in which a page without a stream would have asked every second
let lastTick = null;

function showState(newState) {
  state = newState;
  showClock();
  document.body.dataset.state = state;
  showWord(element('state'), state);
  showTitle();
  element('crowded').hidden = state !== 'crowded';
  showButtons();
}

/** A paid order stays paid, but for order 1. */
function canWaitAgain() {
  return isOver() && (state !== 'paid' || order === '1');
}

function showTitle() {
  document.title = `${say(state)} · ${order}`;
}

function showMessage(text) {
  element('message').append(make('p', '', text));
  element('message').scrollTop = element('message').scrollHeight;
}

function showRequest() {
  element('connections').textContent = ++requests;
}

// The buttons. One that is off keeps the focus, so that a keyboard does not lose its place.

function showButtons() {
  turn('pay', !needsToken);
  turn('lose', state === 'waiting');
  turn('stop', state === 'paid');
  turn('again', isOver());
  showWord(element('again'), isOver() && !canWaitAgain() ? 'newOrder' : 'again');
}

function turn(id, isOn) {
  element(id).ariaDisabled = String(!isOn);
}

function listen(id, action) {
  element(id).addEventListener('click', () => element(id).ariaDisabled === 'true' || action());
}

function waitAgain() {
  if (canWaitAgain()) placeOrder();
  else location.assign(newOrderUrl());
}

function payWithText(submit) {
  submit.preventDefault();
  if (!needsToken) pay(element('text').value);
}

/** Each click makes an order of its own. */
function renewOrderLink() {
  element('new').href = newOrderUrl();
}

function changeLanguage() {
  showAllWords();
  showTitle();
  renewOrderLink();
}

// The panels, of which one is open, or none

function openPanel(id) {
  for (const button of tabs) {
    const panel = button.getAttribute('aria-controls');
    const isOpen = panel === id && element(panel).hidden;
    element(panel).hidden = !isOpen;
    button.ariaExpanded = String(isOpen);
  }
  showPointed();
}

function tick() {
  checkLine();
  showClock();
}

function showClock() {
  countPolls();
  if (state === 'paid' || state === 'stopped') return; // what was left stays to be seen
  const seconds = state === 'timed-out' ? timeoutSeconds : secondsOpen();
  const left = Math.max(timeoutSeconds - seconds, 0);
  element('left').textContent = seconds === null ? '–' : `${Math.ceil(left)} s`;
  element('clock').value = seconds === null ? 0 : left;
  grow(Math.floor(seconds));
}

function countPolls() {
  const now = Date.now();
  if (lastTick) waitedMs += now - lastTick;
  lastTick = requests > 0 && !isOver() ? now : null;
  element('polls').textContent = requests && Math.floor(waitedMs / 1000) + 1;
}

function listenToButtons() {
  element('pay-with-text').addEventListener('submit', payWithText);
  listen('lose', loseConnection);
  listen('stop', comeBackAfterFinish);
  listen('again', waitAgain);
  listen('new', () => setTimeout(renewOrderLink));
  listen('language', switchLanguage);
  for (const button of tabs) button.addEventListener('click', () => openPanel(button.getAttribute('aria-controls')));
}

function listenToBrowser() {
  addEventListener('hashchange', changeLanguage);
  addEventListener('online', look);
  addEventListener('pagehide', leave);
  addEventListener('pageshow', ({ persisted }) => persisted && comeBackToPage());
  document.addEventListener('visibilitychange', look);
}

element('order').textContent = order;
element('clock').max = timeoutSeconds;
element('token').hidden = !needsToken;
showAllWords();
showWays();
renewOrderLink();
if (matchMedia('(min-width: 60rem)').matches) openPanel('wire');
listenToButtons();
listenToBrowser();
setInterval(tick, CLOCK_MS);
tellOf({ onState: showState, onMessage: showMessage, onRequest: showRequest });
// A page that is only prepared, in case that somebody comes, asks for nothing.
if (document.prerendering) document.addEventListener('prerenderingchange', placeOrder, { once: true });
else placeOrder();
