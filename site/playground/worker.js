// A worker that runs krohn: one command a message, each on a fresh instance of the program. Progress goes to the page as it
// is written; a run is ended by ending the worker.
import {runProgram} from './wasi.js';

let module;

self.onmessage = async ({data}) => {
  if (data.module !== undefined) {
    module = data.module;
    return;
  }
  const {id, command} = data;
  const decoder = new TextDecoder();
  try {
    const result = await runProgram(module, {
      ...command,
      terminal: true,
      onError: (bytes) => self.postMessage({id, progress: decoder.decode(bytes, {stream: true})}),
    });
    self.postMessage({id, result}, [result.stdout.buffer, ...Object.values(result.files).map((bytes) => bytes.buffer)]);
  } catch (error) {
    self.postMessage({id, failure: String(error)});
  }
};
