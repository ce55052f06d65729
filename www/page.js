// The page: what is shown in each state, the buttons, the clock.

import { grow } from './diagram.js';
import { needsToken, newOrderUrl, order, timeoutSeconds } from './order.js';
import { pay } from './payer.js';
import {
  checkLine, comeBackToPage, hurry, leave, loseConnection, placeOrder, secondsLeft, tellOf,
} from './waiter.js';
import { showWays } from './ways.js';
import { closeWire, closeWireSoon, openWire } from './wire.js';
import { say, showAllWords, showWord, switchLanguage } from './words.js';

const CLOCK_MS = 200;

const element = (id) => document.getElementById(id);

let state = null;
let handsOff = false; // nobody is to pay, so that the time can run out
let connections = 0;

// States and messages

function showState(newState) {
  state = newState;
  document.body.dataset.state = state;
  showWord(element('state'), state);
  showTitle();
  element('crowded').hidden = state !== 'crowded';
  if (state === 'connecting') closeWire();
  if (state === 'waiting') {
    element('connections').textContent = ++connections;
    openWire();
  }
  if (isOver()) {
    handsOff = false;
    closeWireSoon();
  }
  showButtons();
}

function isOver() {
  return state === 'paid' || state === 'timed-out';
}

/** A paid order stays paid, but for order 1. */
function canWaitAgain() {
  return state === 'timed-out' || (state === 'paid' && order === '1');
}

function showTitle() {
  document.title = `${say(state)} · ${order}`;
}

/** As text: what a payback says is never markup. */
function showMessage(text) {
  const paragraph = document.createElement('p');
  paragraph.textContent = text;
  element('message').append(paragraph);
  element('message').scrollTop = element('message').scrollHeight;
}

// The buttons

function showButtons() {
  element('again').hidden = !canWaitAgain();
  element('wait').disabled = isOver() && !canWaitAgain();
  element('pay').disabled = element('pay-text').disabled = handsOff || needsToken;
  element('lose').disabled = handsOff || state !== 'waiting';
  element('wait').setAttribute('aria-pressed', handsOff);
}

function pressWait() {
  handsOff = !handsOff;
  if (canWaitAgain()) placeOrder();
  else showButtons();
}

function payWithText(submit) {
  submit.preventDefault();
  pay(element('text').value);
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

function toggleWire() {
  if (!element('wire').open) closeWire();
  else if (state === 'waiting') openWire();
}

/** An opened panel is to be seen, however low it begins. */
function showPanel({ target }) {
  if (target.open) target.scrollIntoView({ block: 'nearest' });
}

// The clock

function showTime() {
  if (state === 'paid') return; // what was left stays to be seen
  const seconds = state === 'timed-out' ? 0 : secondsLeft();
  element('left').textContent = seconds === null ? '–' : `${Math.max(Math.ceil(seconds), 0)} s`;
  element('clock').value = seconds ?? 0;
  grow();
  checkLine();
}

// The beginning

function listenToButtons() {
  element('pay').addEventListener('click', () => pay(''));
  element('pay-with-text').addEventListener('submit', payWithText);
  element('lose').addEventListener('click', loseConnection);
  element('wait').addEventListener('click', pressWait);
  element('again').addEventListener('click', placeOrder);
  element('new').addEventListener('click', () => setTimeout(renewOrderLink));
  element('language').addEventListener('click', switchLanguage);
  element('wire').addEventListener('toggle', toggleWire);
  for (const panel of document.querySelectorAll('details')) panel.addEventListener('toggle', showPanel);
}

element('order').textContent = order;
element('clock').max = timeoutSeconds;
element('token').hidden = !needsToken;
showAllWords();
showWays();
renewOrderLink();
listenToButtons();
addEventListener('hashchange', changeLanguage);
addEventListener('online', hurry);
addEventListener('pagehide', leave);
addEventListener('pageshow', ({ persisted }) => persisted && comeBackToPage());
document.addEventListener('visibilitychange', hurry);
setInterval(showTime, CLOCK_MS);
tellOf({ onState: showState, onMessage: showMessage });
placeOrder();
