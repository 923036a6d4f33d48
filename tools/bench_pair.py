#!/usr/bin/env python3
"""Times two krohn programs on the same words of the same checkpoints, in turns.

    python3 tools/bench_pair.py OLD NEW CHECKPOINT ..

For batches of 1, 8, 64 and 512 words: the median of the processor times (start-up, reading and writing of files
included) of OLD divided by that of NEW, above 1 where NEW is faster. Exit 1 if they write different logits.
"""
import argparse
import json
import os
import random
import resource
import statistics
import struct
import subprocess
import sys
import tempfile


def write_ids(path, batch, length, vocabulary):
    draw = random.Random(1)
    data = struct.pack('<%dq' % (batch * length), *[draw.randrange(vocabulary) for _ in range(batch * length)])
    entry = {'dtype': 'I64', 'shape': [batch, length], 'data_offsets': [0, len(data)]}
    header = json.dumps({'input_ids': entry}).encode()
    header += b' ' * (-len(header) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(header)) + header + data)


def processor_time(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('old')
    parser.add_argument('new')
    parser.add_argument('checkpoints', nargs='+')
    parser.add_argument('--tokens', type=int, default=65536, help='of all words of a batch together')
    parser.add_argument('--turns', type=int, default=7)
    arguments = parser.parse_args()
    different = False
    for checkpoint in arguments.checkpoints:
        with open(os.path.join(checkpoint, 'config.json')) as file:
            vocabulary = json.load(file)['vocab_size']
        print('%-40s' % os.path.basename(checkpoint.rstrip('/')), end='')
        for batch in (1, 8, 64, 512):
            with tempfile.TemporaryDirectory() as folder:
                ids = os.path.join(folder, 'in.safetensors')
                write_ids(ids, batch, arguments.tokens // batch, vocabulary)
                times = {arguments.old: [], arguments.new: []}
                written = {}
                for _ in range(arguments.turns):
                    for program in times:
                        out = os.path.join(folder, 'out.safetensors')
                        times[program].append(processor_time(
                            [program, 'run', checkpoint, '--tokens', ids, '--logits', out, '--device', 'cpu']))
                        with open(out, 'rb') as file:
                            written[program] = file.read()
                different = different or written[arguments.old] != written[arguments.new]
                print('  %4d: %.2f' % (batch, statistics.median(times[arguments.old]) /
                                      statistics.median(times[arguments.new])), end='', flush=True)
        print()
    if different:
        print('the two programs write different logits')
    return 1 if different else 0


if __name__ == '__main__':
    sys.exit(main())
