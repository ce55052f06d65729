// An event stream read by hand, with fetch. The grammar: HTML standard, section 9.2.6.

/** The milliseconds before a browser comes back, until a `retry:` field says otherwise. */
export const USUAL_RETRY = 1000;

/** A line `name: value` in its two parts. A comment has an empty name. */
export function splitField(line) {
  const [name] = line.split(':', 1);
  return [name, line.slice(name.length + 1).replace(/^ /, '')];
}

/**
 * What an EventSource is inside, but it can begin where another one left off, and it hides nothing: it tells of each
 * `line`, and of each `comment`.
 */
export class FetchedEventSource extends EventTarget {
  readyState = EventSource.CONNECTING;
  #url;
  #lastEventId;
  #retry = USUAL_RETRY;
  #abort = new AbortController();
  #type = '';
  #data = [];

  constructor(url, lastEventId) {
    super();
    this.#url = url;
    this.#lastEventId = lastEventId;
    this.#stayConnected();
  }

  close() {
    this.readyState = EventSource.CLOSED;
    this.#abort.abort();
  }

  async #stayConnected() {
    for (;;) {
      await this.#connect().catch(() => 'a connection that is lost has ended, like any other');
      if (this.readyState === EventSource.CLOSED) return;
      this.readyState = EventSource.CONNECTING;
      this.dispatchEvent(new Event('error'));
      await new Promise((wake) => setTimeout(wake, this.#retry));
      if (this.readyState === EventSource.CLOSED) return;
    }
  }

  async #connect() {
    const headers = this.#lastEventId === null ? {} : { 'Last-Event-ID': this.#lastEventId };
    const answer = await fetch(this.#url, { headers, cache: 'no-store', signal: this.#abort.signal });
    if (answer.status !== 200) return;
    this.readyState = EventSource.OPEN;
    this.dispatchEvent(new Event('open'));
    await this.#read(answer.body.pipeThrough(new TextDecoderStream()).getReader());
  }

  /** This server ends its lines with LF alone. What has no line end yet waits for the next chunk. */
  async #read(reader) {
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop();
      lines.forEach((line) => this.#take(line));
    }
  }

  #take(line) {
    if (this.readyState === EventSource.CLOSED) return;
    this.dispatchEvent(new MessageEvent('line', { data: line }));
    if (line === '') return this.#dispatch();
    const [name, value] = splitField(line);
    if (name === '') this.dispatchEvent(new Event('comment'));
    if (name === 'event') this.#type = value;
    if (name === 'data') this.#data.push(value);
    if (name === 'id') this.#lastEventId = value;
    if (name === 'retry') this.#retry = Number(value);
  }

  /** An empty line ends an event. One without data reaches nobody. */
  #dispatch() {
    const event = { data: this.#data.join('\n'), lastEventId: this.#lastEventId };
    if (this.#data.length > 0) this.dispatchEvent(new MessageEvent(this.#type || 'message', event));
    this.#type = '';
    this.#data = [];
  }
}
