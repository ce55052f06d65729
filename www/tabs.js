// Who may hold a connection.
//
// Over HTTP/1.1 a browser opens at most six connections to one host, and all its tabs share them. Six waiting tabs
// would leave none to pay with, nor to load a seventh page: it would hang in silence. So each stream takes a ticket;
// the five oldest tickets hold a connection, and the sixth connection stays free. HTTP/2 carries all streams on one
// connection, so that there nobody needs to wait.

const STREAMS = 5;
const ANSWERS_WITHIN_MS = 200;
const ASK_AGAIN_MS = 2000;

const isLimited = !/^h[23]/.test(performance.getEntriesByType('navigation')[0]?.nextHopProtocol ?? '');

const channel = new BroadcastChannel('orderpay');
const thisTab = Math.random();
const tickets = new Set();
let wake = () => {};

/** A new ticket: the time at which it was taken. The fraction tells two of the same millisecond apart. */
export function takeTicket() {
  const ticket = Date.now() + Math.random();
  tickets.add(ticket);
  return ticket;
}

export function giveBack(ticket) {
  if (tickets.delete(ticket)) channel.postMessage({ free: true });
}

/** Whether this ticket is among the oldest, all tabs together. */
export async function mayConnect(ticket) {
  if (!isLimited) return true;
  const byTab = await ticketsByTab();
  const older = [...byTab.values()].flat().filter((other) => other < ticket);
  return older.length < STREAMS;
}

/** Resolves when somebody has given a ticket back; or after a while, since a tab that crashes gives none back. */
export function somebodyLeft() {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, ASK_AGAIN_MS);
  });
}

/** A roll call. A Map, since a tab that two others ask answers twice. */
async function ticketsByTab() {
  const byTab = new Map([[thisTab, [...tickets]]]);
  const hear = ({ data }) => data.tickets && byTab.set(data.tab, data.tickets);
  channel.addEventListener('message', hear);
  channel.postMessage({ question: 'tickets' });
  await new Promise((resolve) => setTimeout(resolve, ANSWERS_WITHIN_MS));
  channel.removeEventListener('message', hear);
  return byTab;
}

channel.addEventListener('message', ({ data }) => {
  if (data.question) channel.postMessage({ tab: thisTab, tickets: [...tickets] });
  if (data.free) wake();
});
