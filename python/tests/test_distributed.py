"""On a LocalCluster whose workers are killed in the middle: the result is byte for byte that of one machine."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

import krohn

distributed = pytest.importorskip("distributed")
import krohn.distributed  # noqa: E402


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster, distributed.Client(cluster) as opened:
        yield opened


class Killer:
    """Kills a worker, again and again, while parts are done."""

    def __init__(self, client, times):
        self.client, self.times, self.killed = client, times, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while self.killed < self.times and not self.over.wait(0.7):
            pids = self.client.run(os.getpid, on_error="ignore")
            for pid in list(pids.values())[:1]:
                if isinstance(pid, int):
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.thread.join()


def test_killed_workers_change_nothing(client, tmp_path):
    model = krohn.compile("parity")
    up_to = 22
    whole = krohn.search(model, up_to=up_to)
    with Killer(client, times=3) as killer:
        told = []
        spread = krohn.distributed.search(
            client, model, up_to=up_to, parts=40, directory=tmp_path, attempts=50, progress=lambda *news: told.append(news)
        )
        until = time.monotonic() + 20
        while killer.killed < 1 and time.monotonic() < until:
            # The machine is quicker than the killer: search on until one was killed.
            spread = krohn.distributed.search(client, model, up_to=up_to, parts=40, attempts=50)
    assert killer.killed >= 1
    assert spread.json == whole.json
    assert told[-1][1:] == (40, 40)
    assert len(list(tmp_path.glob("part-*-of-40.json"))) == 40


def test_an_ended_search_goes_on_where_it_ended(client, tmp_path):
    model = krohn.compile("re:(aaa)*(bb)*")
    arguments = {"up_to": 12, "parts": 8, "directory": tmp_path}
    whole = krohn.distributed.search(client, model, **arguments)
    for path in sorted(tmp_path.glob("*.json"))[::2]:
        path.unlink()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    told = []
    again = krohn.distributed.search(client, model, **arguments, progress=lambda *news: told.append(news))
    assert again.json == whole.json == krohn.search(model, up_to=12).json
    assert told[0][1:] == (4, 8)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    with pytest.raises(krohn.InputError, match="expected part 1 of 8 of this search, got another"):
        krohn.distributed.search(client, model, "re:(aaa)*b*", **arguments)


def test_a_refutation_is_the_first_word(client):
    model = krohn.compile("re:(aaa)*(bb)*")
    spread = krohn.distributed.search(client, model, "re:(aaa)*(bb)*|a{7}b{5}", up_to=14, parts=12)
    assert spread.word == tuple("aaaaaaabbbbb")
    assert spread.json == krohn.search(model, "re:(aaa)*(bb)*|a{7}b{5}", up_to=14).json


def test_samples_and_scoreboards(client, data):
    model = krohn.compile("parity")
    for language in (None, "re:(0|1)*1", "re:(0*10*10*)*0*10*|(0|1){200}(0|1)*"):
        one = model.sample(language, words=300, max_length=256, seed=5)
        for parts in (1, 7):
            assert krohn.distributed.sample(client, model, language, words=300, max_length=256, seed=5, parts=parts) == one
    models = {path.name: path for path in sorted((data / "models").iterdir())}
    board = krohn.distributed.scoreboard(client, models, lengths="4..16", words=32)
    assert list(board) == list(models)
    for name, path in models.items():
        assert board[name].json == krohn.accuracy(path, lengths="4..16", words=32).json


def test_an_error_of_a_part_is_raised(client):
    with pytest.raises(krohn.InputError, match="alphabet"):
        krohn.distributed.search(client, krohn.compile("parity"), "re:(ab)*", up_to=4, parts=2)
