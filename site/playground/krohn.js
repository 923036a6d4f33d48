// The program as the page sees it: fetched once, compiled once, run in a worker. One command runs at a time.

/** The command line's exit codes. */
export const exit = {ok: 0, input: 1, usage: 2, resource: 3, internal: 4, refuted: 10, unknown: 20};

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

/** The lines of standard error that are messages: no progress, no program name. */
export function messages(stderr) {
  return stderr
    // Progress is rewritten in place: what stands before the last return of a line is gone.
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\r') + 1).replaceAll('\x1b[K', ''))
    .filter((line) => line !== '')
    .map((line) => line.replace(/^krohn: /, ''))
    .join('\n');
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
    this.running = null;
    this.next = 1;
    this.queue = Promise.resolve();
  }

  async start() {
    const module = await this.module;
    if (this.worker === null) {
      this.worker = new Worker(new URL('worker.js', import.meta.url), {type: 'module'});
      this.worker.postMessage({module});
    }
    return this.worker;
  }

  /** Ends what runs, and what waits for it. */
  stop(error = new Stopped('interrupted: there is no result')) {
    this.generation = (this.generation ?? 0) + 1;
    if (this.running === null) return;
    this.worker.terminate();
    this.worker = null;
    const {reject, timer} = this.running;
    this.running = null;
    clearTimeout(timer);
    reject(error);
  }

  /**
   * Runs one command, after those that were asked for before.
   *
   * @param {string[]} args
   * @param {object} [how]
   * @param {Record<string, Uint8Array>} [how.files] what it may read
   * @param {string[]} [how.keep] paths that are handed back
   * @param {string|Uint8Array} [how.stdin]
   * @param {number} [how.seconds] after which the command is ended, whatever it does
   * @param {(text: string) => void} [how.onProgress]
   */
  run(args, how = {}) {
    const generation = this.generation ?? 0;
    const turn = this.queue.then(() => {
      if (generation !== (this.generation ?? 0)) throw new Stopped('interrupted: there is no result');
      return this.runNow(args, how, generation);
    });
    this.queue = turn.catch(() => {});
    return turn;
  }

  async runNow(args, {files = {}, keep = [], stdin = '', seconds = 0, onProgress = () => {}}, generation) {
    const worker = await this.start();
    if (generation !== (this.generation ?? 0)) throw new Stopped('interrupted: there is no result');
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const running = {reject, timer: undefined};
      if (seconds > 0) {
        running.timer = setTimeout(
          () => this.stop(new CommandError(exit.unknown, `ended by the time limit of ${seconds} s: there is no result`)),
          seconds * 1000);
      }
      const end = (settle, value) => {
        clearTimeout(running.timer);
        if (this.running === running) this.running = null;
        settle(value);
      };
      this.running = running;
      worker.onmessage = ({data}) => {
        if (data.id !== id) return;
        if (data.progress !== undefined) {
          const lines = data.progress.split(/[\r\n]/).map((line) => line.replaceAll('\x1b[K', '').trim());
          const last = lines.filter((line) => line !== '').at(-1);
          if (last !== undefined && !last.startsWith('krohn: ')) onProgress(last);
        } else if (data.result !== undefined) {
          end(resolve, data.result);
        } else {
          this.worker.terminate();
          this.worker = null;
          end(reject, new Error(data.failure));
        }
      };
      worker.onerror = (event) => {
        event.preventDefault();
        this.worker = null;
        end(reject, new Error(event.message ?? 'the worker could not be started'));
      };
      worker.postMessage({id, command: {args, files, keep, stdin}});
    });
  }

  /** Runs a command that prints one JSON object; `codes` are those with which it prints one. */
  async json(args, how = {}, codes = [exit.ok, exit.refuted, exit.unknown]) {
    const result = await this.run([...args, '--json'], how);
    const text = new TextDecoder().decode(result.stdout);
    if (!codes.includes(result.code) || text === '') throw new CommandError(result.code, messages(result.stderr));
    return {...result, text, value: JSON.parse(text), notes: messages(result.stderr)};
  }
}
