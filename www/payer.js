// The page plays the payment platform.

import { record } from './diagram.js';
import { element } from './dom.js';
import { payUrl } from './order.js';
import { say } from './words.js';

const DEADLINE_MS = 10000;

let payback = null; // the step of one that may have settled the order, until its result has come

/** Whether a result that has come is this page's doing; if not, somebody has paid elsewhere. */
export function takePayment() {
  const own = payback;
  payback = null;
  own?.arrive();
  return own !== null;
}

export function forgetPayment() {
  payback = null;
}

/** Settles the order with this text; an empty one means 支付成功. */
export async function pay(text) {
  element('problem').textContent = '';
  const step = (payback = record('payback', { note: shorten(text) }).leave());
  try {
    const answer = await fetch(payUrl, { method: 'POST', body: text, signal: AbortSignal.timeout(DEADLINE_MS) });
    step.arrive();
    showAnswer(answer, (await answer.text()).trim(), step);
  } catch {
    dismiss(step);
    step.fail('unpaid');
    element('problem').textContent = say('unpaid');
  }
}

function showAnswer(answer, text, step) {
  const delivered = answer.headers.get('Orderpay-Delivered');
  if (delivered === '0' || delivered === null) dismiss(step);
  if (answer.ok && delivered !== null) return record('ok', { label: text, note: `Orderpay-Delivered: ${delivered}` });
  record('refused', { label: `${answer.status} ${answer.statusText}` });
  element('problem').textContent = text;
}

/** This one will bring no result down an open stream. */
function dismiss(step) {
  if (payback === step) payback = null;
}

/** A text short enough for an arrow: 24 letters. */
export function shorten(text) {
  return text.replace(/^(.{23})..+$/su, '$1…');
}
