// The page plays the payment platform.

import { record } from './diagram.js';
import { payUrl } from './order.js';
import { say } from './words.js';

const LONGEST_NOTE = 14;

const problem = document.getElementById('problem');

let paid = false;

/** Whether this page has paid; if not, whoever paid did so elsewhere. */
export function hasPaid() {
  return paid;
}

export function forgetPayment() {
  paid = false;
}

/** Settles the order with this text; an empty one means 支付成功. */
export async function pay(text) {
  paid = true;
  problem.textContent = '';
  record('payback', { note: shorten(text) });
  try {
    const answer = await fetch(payUrl, { method: 'POST', body: text });
    showAnswer(answer, (await answer.text()).trim());
  } catch {
    paid = false;
    problem.textContent = say('noAnswer');
  }
}

function showAnswer(answer, text) {
  if (answer.ok) {
    record('ok', { note: `Orderpay-Delivered: ${answer.headers.get('Orderpay-Delivered')}` });
    return;
  }
  paid = false;
  record('refused', { label: `${answer.status}` });
  problem.textContent = text;
}

/** A text short enough for an arrow. */
export function shorten(text) {
  const letters = [...text];
  return letters.length <= LONGEST_NOTE ? text : `${letters.slice(0, LONGEST_NOTE - 1).join('')}…`;
}
