// The order that this page is about, as the server wrote it into the page.

const { order, timeout, heartbeat, token } = document.querySelector('meta[name=orderpay]').dataset;

export { order };
export const timeoutSeconds = Number(timeout);
export const heartbeatSeconds = Number(heartbeat);
export const needsToken = token === 'true';
export const waitUrl = new URL(`orderpay/${order}`, document.baseURI);
export const payUrl = new URL(`payback/${order}`, document.baseURI);

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';

/** The page of a new order. 22 letters of 64 kinds are 132 bits: nobody guesses its id. */
export function newOrderUrl() {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(22)), (byte) => LETTERS[byte % LETTERS.length]);
  return new URL(`test/${id.join('')}${location.hash}`, document.baseURI);
}
