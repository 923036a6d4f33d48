#!/usr/bin/env python3
"""How fast krohn runs a checkpoint on the CPU, against PyTorch's own loop over the same recurrence.

    python3 tools/bench_learned.py [--krohn build/cpu/krohn] [--batch 64] [--length 512] [--threads 1] CHECKPOINT ..

For each checkpoint (a delta_net, gated_deltanet or gated_deltaproduct directory with model.safetensors) the same token
ids run through `krohn run --tokens` (start-up, reading and writing of files included) and through two PyTorch loops:

    loop    the recurrence itself: the whole model token by token with its states carried, as krohn runs it
    mixed   projections, convolutions, norms and feed-forward parts for the whole sequence at once, a loop over tokens
            only for the states; not possible where words share prefixes or a search decides what comes next

Each uses the threads that it finds, or --threads. The logits must agree to 1e-3. Prints the wall-clock and the processor
time (best of --runs, each by itself) and their ratios to krohn's; on a busy machine the latter is the one to read.
Needs PyTorch and NumPy; krohn does not.
"""
import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F

DTYPES = {'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16, 'I64': torch.int64}


def read_safetensors(path):
    with open(path, 'rb') as file:
        raw = file.read()
    size = struct.unpack('<Q', raw[:8])[0]
    tensors = {}
    for name, entry in json.loads(raw[8:8 + size]).items():
        if name == '__metadata__':
            continue
        begin, end = entry['data_offsets']
        data = np.frombuffer(raw[8 + size + begin:8 + size + end], dtype=np.uint8).copy()
        tensors[name] = torch.from_numpy(data).view(DTYPES[entry['dtype']]).reshape(entry['shape'])
    return tensors


def write_ids(path, ids):
    data = ids.numpy().astype('<i8').tobytes()
    header = json.dumps({'input_ids': {'dtype': 'I64', 'shape': list(ids.shape), 'data_offsets': [0, len(data)]}}).encode()
    header += b' ' * (-len(header) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(header)) + header + data)


def rms(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def l2(x):
    return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + 1e-6)


def convolve(x, weight, carried, name):
    width = weight.shape[-1]
    tail = carried.get(name)
    if tail is None:
        tail = x.new_zeros(x.shape[0], width - 1, x.shape[2])
    padded = torch.cat([tail, x], 1)
    carried[name] = padded[:, x.shape[1]:]
    return F.silu(F.conv1d(padded.transpose(1, 2), weight, groups=weight.shape[0])).transpose(1, 2)


def attention(config, p, h, carried):
    batch, length, _ = h.shape
    product = config['model_type'] == 'gated_deltaproduct'
    n = config.get('num_householder', 1) if product else 1
    q, k, v = (h @ p[name + '_proj.weight'].T for name in 'qkv')
    if config.get('use_short_conv', True):
        q, k, v = (convolve(x, p[name + '_conv1d.weight'], carried, name) for name, x in zip('qkv', (q, k, v)))
    else:
        q, k, v = F.silu(q), F.silu(k), F.silu(v)
    heads = config['num_heads']
    value_heads = config.get('num_v_heads') or heads
    q = l2(q.view(batch, length, heads, -1)).repeat_interleave(value_heads // heads, 2)
    k = l2(k.view(batch, length, n, heads, -1)).repeat_interleave(value_heads // heads, 3)
    v = v.view(batch, length, n, value_heads, -1)
    beta = torch.sigmoid(h @ p['b_proj.weight'].T).view(batch, length, n, value_heads)
    if config.get('allow_neg_eigval'):
        beta = beta * 2
    decay = None
    if 'A_log' in p:
        decay = torch.exp(-torch.exp(p['A_log']) * F.softplus(h @ p['a_proj.weight'].T + p['dt_bias']))
    state = carried.get('state')
    if state is None:
        state = h.new_zeros(batch, value_heads, k.shape[-1], v.shape[-1])
    out = []
    for t in range(length):
        if decay is not None:
            state = state * decay[:, t, :, None, None]
        for j in range(n):
            key = k[:, t, j]
            change = (v[:, t, j] - (key.unsqueeze(-2) @ state).squeeze(-2)) * beta[:, t, j, :, None]
            state = state + key.unsqueeze(-1) * change.unsqueeze(-2)
        out.append((q[:, t].unsqueeze(-2) @ state).squeeze(-2))
    carried['state'] = state
    o = rms(torch.stack(out, 1) * k.shape[-1] ** -0.5, p['o_norm.weight'], config['norm_eps'])
    if 'g_proj.weight' in p:
        o = o * F.silu((h @ p['g_proj.weight'].T).view(o.shape))
    return o.reshape(batch, length, -1) @ p['o_proj.weight'].T


class Model:
    def __init__(self, config, weights):
        self.config, self.weights, self.layers = config, weights, []
        for i in range(config['num_hidden_layers']):
            prefix = 'model.layers.%d.' % i
            p = {name[len(prefix):]: w for name, w in weights.items() if name.startswith(prefix)}
            self.layers.append((p, {name[5:]: w for name, w in p.items() if name.startswith('attn.')}))
        self.head = weights.get('lm_head.weight', weights['model.embeddings.weight'])

    def run(self, ids, carried):
        """Logits after each of `ids` [B, T]; `carried` (one dict a layer) goes from call to call."""
        x = self.weights['model.embeddings.weight'][ids]
        epsilon = self.config['norm_eps']
        for (p, a), state in zip(self.layers, carried):
            x = x + attention(self.config, a, rms(x, p['attn_norm.weight'], epsilon), state)
            h = rms(x, p['mlp_norm.weight'], epsilon)
            gate = F.silu(h @ p['mlp.gate_proj.weight'].T) * (h @ p['mlp.up_proj.weight'].T)
            x = x + gate @ p['mlp.down_proj.weight'].T
        return rms(x, self.weights['model.norm.weight'], epsilon) @ self.head.T

    def mixed(self, ids):
        return self.run(ids, [{} for _ in self.layers])

    def loop(self, ids):
        carried = [{} for _ in self.layers]
        return torch.cat([self.run(ids[:, t:t + 1], carried) for t in range(ids.shape[1])], 1)


def processor_time():
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def best_of(runs, call):
    wall, processor = [], []
    for _ in range(runs):
        begin, before = time.perf_counter(), processor_time()
        result = call()
        wall.append(time.perf_counter() - begin)
        processor.append(processor_time() - before)
    return min(wall), min(processor), result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoints', nargs='+')
    parser.add_argument('--krohn', default='build/cpu/krohn')
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--length', type=int, default=512)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--threads', type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print('%d words of %d tokens, %d threads' % (arguments.batch, arguments.length, torch.get_num_threads()))
    failed = False
    for checkpoint in arguments.checkpoints:
        with open(os.path.join(checkpoint, 'config.json')) as file:
            config = json.load(file)
        weights = {name: w.float() for name, w in read_safetensors(os.path.join(checkpoint, 'model.safetensors')).items()}
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(0, config['vocab_size'], (arguments.batch, arguments.length), generator=generator)
        with tempfile.TemporaryDirectory() as folder:
            tokens, logits = os.path.join(folder, 'in.safetensors'), os.path.join(folder, 'out.safetensors')
            write_ids(tokens, ids)
            command = [arguments.krohn, 'run', checkpoint, '--tokens', tokens, '--logits', logits,
                       '--threads', str(arguments.threads), '--device', 'cpu']
            ours, ours_cpu, _ = best_of(arguments.runs, lambda: subprocess.run(command, check=True))
            result = read_safetensors(logits)['logits']
        print('%-36s krohn %.4f s (cpu %.4f)' % (os.path.basename(checkpoint.rstrip('/')), ours, ours_cpu), end='')
        model = Model(config, weights)
        for name, call in (('loop', model.loop), ('mixed', model.mixed)):
            with torch.inference_mode():
                theirs, theirs_cpu, expected = best_of(arguments.runs, lambda: call(ids))
            error = (result - expected).abs().max().item()
            print('   %s %.3f s (cpu %.3f) ratio %.1f (cpu %.1f) difference %.0e' %
                  (name, theirs, theirs_cpu, theirs / ours, theirs_cpu / ours_cpu, error), end='')
            failed = failed or not error < 1e-3
        print()
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
