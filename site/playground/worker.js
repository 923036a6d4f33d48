// A worker that runs krohn: one command a message, each on a fresh instance of the program. Progress goes to the page as it
// is written.
import {runProgram} from './wasi.js';

const glance = 200;
let module;

/**
 * Whether the page wants the command to end: it then takes back the address that it gave. A worker that computes gets no
 * messages, and memory that it shares with the page needs a server that says so; but it can look an address up.
 */
function takenBack(address) {
  let looked = performance.now();
  return () => {
    const now = performance.now();
    if (now - looked < glance) return false;
    looked = now;
    const request = new XMLHttpRequest();
    request.open('GET', address, false);
    try {
      request.send();
      return false;
    } catch {
      return true;
    }
  };
}

self.onmessage = async ({data}) => {
  if (data.module !== undefined) {
    module = data.module;
    return;
  }
  const {address, command} = data;
  const decoder = new TextDecoder();
  try {
    const result = await runProgram(module, {
      ...command,
      terminal: true,
      interrupted: takenBack(address),
      onError: (bytes) => self.postMessage({progress: decoder.decode(bytes, {stream: true})}),
    });
    self.postMessage({result}, [result.stdout.buffer, ...Object.values(result.files).map((bytes) => bytes.buffer)]);
  } catch (error) {
    self.postMessage({failure: String(error)});
  }
};
