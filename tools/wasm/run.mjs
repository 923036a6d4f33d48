#!/usr/bin/env node
// Runs a program of the WebAssembly build on the page's system calls, without files: run.mjs FILE.wasm [ARGUMENTS].
import {readFileSync} from 'node:fs';
import {runProgram} from '../../site/playground/wasi.js';

const [file, ...args] = process.argv.slice(2);
const {code, stdout, stderr} = await runProgram(await WebAssembly.compile(readFileSync(file)), {args});
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = code;
