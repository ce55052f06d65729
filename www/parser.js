// The bytes of an event stream → its lines, and its events. The grammar: HTML standard, section 9.2.6.

export class EventStreamParser {
  /** What a browser that comes back would say. It counts when an event is complete, not before. */
  lastEventId;
  /** In milliseconds, once the stream has said so. */
  retry = null;
  #decoder = new TextDecoder(); // it drops a byte order mark, as the grammar does
  #rest = '';
  #isAfterCR = false;
  #id;
  #type = '';
  #data = [];

  /** For a connection made after others: an id stays until the stream says another. */
  constructor(lastEventId = '') {
    this.lastEventId = lastEventId;
    this.#id = lastEventId;
  }

  /**
   * The lines that these bytes complete, with the `name` and `value` of their fields; an empty one with the `event` that
   * it completes, or null. The name of a comment is empty.
   */
  push(bytes) {
    return this.#split(this.#decoder.decode(bytes, { stream: true })).map((line) => this.#take(line));
  }

  /** A line ends with LF, CR, or both; what has no end yet waits. */
  #split(text) {
    if (text === '') return [];
    const news = this.#isAfterCR && text.startsWith('\n') ? text.slice(1) : text;
    this.#isAfterCR = text.endsWith('\r');
    const lines = (this.#rest + news).split(/\r\n|\r|\n/);
    this.#rest = lines.pop();
    return lines;
  }

  #take(line) {
    if (line === '') return { line, event: this.#complete() };
    const [name] = line.split(':', 1);
    const value = line.slice(name.length + 1).replace(/^ /, '');
    if (name === 'event') this.#type = value;
    if (name === 'data') this.#data.push(value);
    if (name === 'id' && !value.includes('\0')) this.#id = value;
    if (name === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value);
    return { line, name, value };
  }

  /** An event without data reaches nobody, but its id is kept. */
  #complete() {
    this.lastEventId = this.#id;
    const event = { type: this.#type || 'message', data: this.#data.join('\n'), lastEventId: this.#id };
    const isEvent = this.#data.length > 0;
    this.#type = '';
    this.#data = [];
    return isEvent ? event : null;
  }
}
