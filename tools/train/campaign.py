#!/usr/bin/env python3
"""Trains many experiments on the GPUs of a machine, several at once on each.

    tools/train/campaign.py -o runs --slots 9 --seconds 400 parity-mlstm arithmetic-slstm:380 s5-deltaproduct4-neg@seed=7 ..

NAME:SECONDS bounds one training (otherwise: what is left), NAME@SETTING=VALUE changes a setting, NAME@option.OPTION=VALUE an option of the
model, and NAME@start=FOLDER is train.py --start (all part of the folder's name). What comes first starts first. Every minute, and at the end, --pack FILE gets a tar of the checkpoints, logs and records so far.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def pack(file, folder):
    with tarfile.open(str(file) + ".new", "w:xz", preset=1) as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in ("state.pt", "state.new") and not path.name.endswith(".new"):
                tar.add(path, path.relative_to(folder))
    os.replace(str(file) + ".new", file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="+")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--gpus", type=int, default=None, help="(default: all)")
    parser.add_argument("--slots", type=int, default=9, help="trainings at once on a GPU")
    parser.add_argument("--seconds", type=float, required=True, help="for everything")
    parser.add_argument("--refute", type=int, default=0, help="rounds of train.py --refute")
    parser.add_argument("--each-seed", action="store_true", help="checkpoints of all seeds")
    parser.add_argument("--krohn")
    parser.add_argument("--pack", help="a tar that gets everything but states")
    a = parser.parse_args()
    if a.gpus is None:
        a.gpus = len(subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout.splitlines())
    begin, output = time.time(), pathlib.Path(a.output)
    output.mkdir(parents=True, exist_ok=True)
    left = lambda: a.seconds - (time.time() - begin)
    waiting, running, packed = list(a.jobs), [], time.time()
    free = [gpu for _ in range(a.slots) for gpu in range(max(a.gpus, 1))]
    while waiting or running:
        for job in [j for j in running if j[0].poll() is not None]:
            running.remove(job)
            free.insert(0, job[1])
            print(
                "%5.0f s  %s ended (%d)  %s"
                % (time.time() - begin, job[2], job[0].returncode, job[3].read_text().strip().splitlines()[-1:]),
                flush=True,
            )
        while waiting and free and left() > 45:
            name, changes, seconds = re.fullmatch(r"([^@:]+)((?:@[^@:]+)*)(?::(\d+))?", waiting.pop(0)).groups()
            label = (name + changes).replace("/", "-").replace("@", "+")
            limit = min(float(seconds or 1e9), left() - 25)
            gpu, log = free.pop(0), output / (label + ".txt")
            command = [
                sys.executable,
                str(HERE / "train.py"),
                name,
                "-o",
                str(output / label),
                "--time-limit",
                "%.0f" % limit,
                "--refute",
                str(a.refute),
                "--until",
                "%.0f" % (left() - 45),
            ] + (["--krohn", a.krohn] if a.krohn else [])
            if a.each_seed:
                command.append("--each-seed")
            for change in filter(None, changes.split("@")):
                if change.startswith("start="):
                    command += ["--start", change.removeprefix("start=")]
                    continue
                command += ["--option" if change.startswith("option.") else "--set", change.removeprefix("option.")]
            process = subprocess.Popen(
                command,
                stdout=open(log, "w"),
                stderr=subprocess.STDOUT,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": str(gpu), "OMP_NUM_THREADS": "1"},
            )
            running.append((process, gpu, label, log))
        if not running and waiting and left() <= 45:
            print("no time for " + " ".join(waiting))
            break
        if left() < -20:
            for job in running:
                job[0].terminate()
        if a.pack and time.time() - packed > 60:
            pack(a.pack, output)
            packed = time.time()
        time.sleep(1)
    if a.pack:
        pack(a.pack, output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
