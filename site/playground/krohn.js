// The program as the page sees it: fetched once, compiled once, run in a worker. One command runs at a time; a session is
// commands that belong together and are ended together.

/** The command line's exit codes. */
export const exit = {ok: 0, input: 1, usage: 2, resource: 3, internal: 4, refuted: 10, unknown: 20};

/** What a search may hold at once (--memory): tables that grow are copied, and the program has 2 GiB in all. */
export const searchMemory = '256M';

/** How long a command that was interrupted may take to hand over what it has. */
const patience = 3000;

export class Stopped extends Error {}

/** What a command that failed says of it, as on the command line but for the program's name before each line. */
export class CommandError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Bytes that may be compressed by gzip: some servers decompress them on the way, others do not. */
async function decompressed(response) {
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Text with progress that is rewritten in place: of each line what stands there in the end. */
const lines = (text) => text.split('\n').map((line) => line.slice(line.lastIndexOf('\r') + 1).replaceAll('\x1b[K', '').trimEnd());

/** The lines of standard error that are messages: no progress, no program name, no advice on the command line's help. */
export function messages(stderr) {
  return lines(stderr).filter((line) => line !== '' && !/^\(krohn .*--help lists/.test(line)).map((line) => line.replace(/^krohn: /, '')).join('\n');
}

/** One command in the worker. */
class Run {
  constructor(worker, command, onProgress) {
    this.worker = worker;
    this.address = URL.createObjectURL(new Blob());
    this.outcome = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    worker.onmessage = ({data}) => {
      if (data.progress !== undefined) {
        const last = lines(data.progress.replaceAll('\r', '\n')).filter((line) => line !== '').at(-1);
        if (last !== undefined && !last.startsWith('krohn: ')) onProgress(last);
      } else if (data.result !== undefined) {
        this.resolve(data.result);
      } else {
        this.end(new Error(data.failure));
      }
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.end(new Error(event.message ?? 'the worker could not be started'));
    };
    worker.postMessage({address: this.address, command});
  }

  /** Ends the worker, whatever it does. */
  end(error) {
    this.worker.terminate();
    this.ended = true;
    this.reject(error);
  }

  /** Asks the program to end with what it has (worker.js). */
  interrupt() {
    URL.revokeObjectURL(this.address);
  }
}

export class Krohn {
  /** @param {string} url of krohn.wasm, plain or compressed by gzip */
  constructor(url) {
    this.module = (async () => {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
      return WebAssembly.compile(await decompressed(response));
    })();
    this.worker = null;
    this.queue = Promise.resolve();
  }

  /** Resolves when commands can run. */
  async start() {
    const module = await this.module;
    if (this.worker === null) {
      this.worker = new Worker(new URL('worker.js', import.meta.url), {type: 'module'});
      this.worker.postMessage({module});
    }
    return this.worker;
  }

  session() {
    return new Session(this);
  }

  /** Runs a session's command after those that were asked for before. */
  enqueue(session, args, how) {
    const turn = this.queue.then(() => this.run(session, args, how));
    this.queue = turn.catch(() => {});
    return turn;
  }

  async run(session, args, {files = {}, keep = [], stdin = '', seconds = 0, onProgress = () => {}}) {
    session.requireOpen();
    const worker = await this.start();
    session.requireOpen();
    const run = new Run(worker, {args, files, keep, stdin}, onProgress);
    const timer = seconds > 0 && setTimeout(
      () => run.end(new CommandError(exit.unknown, `ended by the time limit of ${seconds} s: there is no result`)), seconds * 1000);
    session.running = run;
    try {
      return await run.outcome;
    } finally {
      clearTimeout(timer);
      run.interrupt();
      session.running = null;
      if (run.ended) this.worker = null;
    }
  }
}

class Session {
  constructor(krohn) {
    this.krohn = krohn;
    /** The command that runs. */
    this.running = null;
    this.stopped = false;
    this.results = 0;
  }

  requireOpen() {
    if (this.stopped) throw new Stopped(`interrupted: ${this.results === 0 ? 'there is no result' : 'what is shown was there by then'}`);
  }

  /** As Ctrl-C does: the command that runs hands over what it has, if it has something soon, and none follows. Twice: at once. */
  interrupt() {
    if (this.stopped) {
      this.end();
      return;
    }
    this.stopped = true;
    const {running} = this;
    running?.interrupt();
    setTimeout(() => {
      if (this.running === running) this.end();
    }, patience);
  }

  /** Ends what runs, and what would follow, without a result. */
  end() {
    this.stopped = true;
    this.running?.end(new Stopped('interrupted: there is no result'));
  }

  /**
   * Runs one command.
   *
   * @param {string[]} args
   * @param {object} [how]
   * @param {Record<string, Uint8Array>} [how.files] what it may read
   * @param {string[]} [how.keep] paths that are handed back
   * @param {string|Uint8Array} [how.stdin]
   * @param {number} [how.seconds] after which the command is ended, whatever it does
   * @param {(text: string) => void} [how.onProgress]
   */
  async run(args, how = {}) {
    const result = await this.krohn.enqueue(this, args, how);
    ++this.results;
    return result;
  }

  /** Runs a command that prints one JSON object; `codes` are those with which it prints one. */
  async json(args, how = {}, codes = [exit.ok, exit.refuted, exit.unknown]) {
    const result = await this.run([...args, '--json'], how);
    const text = new TextDecoder().decode(result.stdout);
    if (!codes.includes(result.code) || text === '') throw new CommandError(result.code, messages(result.stderr));
    return {...result, text, value: JSON.parse(text), notes: messages(result.stderr)};
  }
}
