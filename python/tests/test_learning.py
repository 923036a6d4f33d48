"""Learning loops of AALpy that end with krohn's check, and searches of modules given as functions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import krohn
from krohn.torch import Checker, EpochCheck

TASK = {"symbols": {"0": 0, "1": 1}, "bos": 2, "outputs": {"0": "0", "1": "1"}, "automaton": "parity"}


def parity_logits(wrong=lambda word: False):
    """A function of tokens [batch, time] that answers parity behind each token, but for the words that are `wrong`."""

    def ask(tokens):
        ones = np.cumsum(tokens == 1, axis=1) % 2
        for i, row in enumerate(tokens):
            for t in range(tokens.shape[1]):
                if wrong("".join(str(token) for token in row[1 : t + 1])):
                    ones[i, t] = 1 - ones[i, t]
        logits = np.zeros((*tokens.shape, 3))
        logits[..., 0], logits[..., 1] = 1 - ones, ones
        return logits

    return ask


def test_a_right_module_is_unknown_with_a_bound():
    finding = Checker(parity_logits(), TASK).search(max_words=200, samples=50, beam=8, beam_length=12)
    assert (finding.verdict, finding.word) == ("UNKNOWN", None)
    # 1 + 2 + .. + 2^6 words are no more than 200.
    assert finding.agreed == 6
    assert finding.asked >= 127


def test_the_first_wrong_word_by_length_is_found():
    wrong = {"0101", "10", "111"}
    finding = Checker(parity_logits(lambda word: word in wrong), TASK).search()
    assert (finding.word, finding.shortest, finding.agreed, finding.method) == (("1", "0"), True, 1, "length")
    assert (finding.expected, finding.observed) == ("1", "0")


def test_words_beyond_the_whole_lengths_are_found_and_shortened():
    def rare(word):
        return len(word) >= 20 and word.count("1") >= 15

    finding = Checker(parity_logits(rare), TASK).search(max_words=100, beam=4, beam_length=10, samples=4000, sample_length=64)
    assert finding.method == "random"
    assert finding.word is not None
    assert rare("".join(finding.word))
    # No symbol can be left out.
    assert all(not rare("".join(finding.word[:i] + finding.word[i + 1 :])) for i in range(len(finding.word)))
    assert not finding.shortest


def test_beams_follow_the_least_lead():
    def ask(tokens):
        logits = parity_logits()(tokens)
        # The lead falls with the number of 1s, and is gone at 14 of them.
        ones = np.cumsum(tokens == 1, axis=1)[..., None]
        lead = 1.0 - ones / 13.5
        return np.where(logits == logits.max(axis=2, keepdims=True), 0.5 * lead, -0.5 * lead)

    finding = Checker(ask, TASK).search(max_words=100, beam=4, beam_length=20, samples=0)
    assert finding.method == "beams"
    assert finding.word is not None
    assert finding.word.count("1") >= 14


def test_what_is_wrong_in_a_batch_only_does_not_count():
    def ask(tokens):
        return parity_logits((lambda word: len(word) == 3) if len(tokens) > 1 else (lambda word: False))(tokens)

    finding = Checker(ask, TASK).search(max_words=63, beam=0, samples=0)
    assert finding.verdict == "UNKNOWN"
    assert finding.unconfirmed == 8
    assert finding.agreed == 5


def test_ties_nan_and_words_outside_the_domain():
    def tie(tokens):
        return np.zeros((*tokens.shape, 3))

    assert Checker(tie, TASK).label("01") == "?"
    assert Checker(lambda tokens: tie(tokens) * np.nan, TASK).label("01") == "?"
    domain = krohn.Language.from_table([[1, 1], [1, 1]], labels=["0", None], alphabet="01")
    # Only the empty word is in the domain, and on a tie it is wrong.
    assert Checker(tie, TASK, domain).search(max_words=40, beam=2, beam_length=4).word == ()
    shorter = {**TASK, "min_length": 1}
    assert Checker(tie, shorter, domain).search(max_words=40, beam=2, beam_length=4).word is None


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ({}, "task: symbols: expected a mapping that is not empty, got None"),
        ({**TASK, "positions": "some"}, "task: positions: expected all or last, got 'some'"),
        ({**TASK, "bos": None, "min_length": 0}, "min_length: expected at least 1 without bos"),
        ({**TASK, "automaton": "re:(ab)*"}, "alphabet: expected the same symbols"),
        ({**TASK, "outputs": {"0": "0"}}, "labels: expected those of the task's outputs, got 1"),
    ],
)
def test_wrong_tasks_say_what_is_wanted(task, wanted):
    with pytest.raises(krohn.InputError, match=wanted):
        Checker(parity_logits(), task)


def test_wrong_logits_say_what_is_wanted():
    with pytest.raises(krohn.InputError, match=r"module: expected logits \[1, 3 or 1, more than 1\] for tokens \[1, 3\], got \[1, 3, 1\]"):
        Checker(lambda tokens: np.zeros((1, 3, 1)), TASK).label("01")


def test_a_checkpoint_asked_as_a_module_answers_as_itself(data):
    model = krohn.open_checkpoint(data / "zoo" / "gdn_2l__tomita4")
    task = {"symbols": {"0": 0, "1": 1}, "bos": None, "min_length": 1, "outputs": {"0": "0", "1": "1"}}
    checker = Checker(lambda tokens: np.stack([model.logits(row) for row in tokens]), task, "tomita:4")
    words = ["".join(w) for n in range(1, 7) for w in itertools.product("01", repeat=n)]
    assert checker.labels(words) == list(model.run(words))


def test_the_callback_logs_each_epoch():
    lines = []
    wrong = {"1"}
    watch = EpochCheck(Checker(parity_logits(lambda word: word in wrong), TASK), log=lines.append)
    watch()
    wrong.clear()
    watch()
    assert [finding.verdict for _, finding in watch.history] == ["REFUTED", "UNKNOWN"]
    assert lines[0].startswith("epoch 0: a shortest wrong word has length 1: 1 (the language says 1, the module 0)")
    assert "every word up to length" in lines[1]
    sparse = EpochCheck(watch.checker, log=lines.append, every=5)
    assert [sparse(epoch) is None for epoch in range(6)] == [False, True, True, True, True, False]


@pytest.mark.parametrize("name", ["tomita:4", "re:(aaa)*(bb)*", "parity"])
def test_learning_ends_with_a_proof(name):
    pytest.importorskip("aalpy")
    from aalpy.learning_algs import run_Lstar

    from krohn.aalpy import SUL, Oracle

    model = krohn.compile(name)
    sul = SUL(model)
    oracle = Oracle(model, sul)
    learned = run_Lstar(list(model.alphabet), sul, oracle, "dfa", print_level=0)
    assert oracle.result is not None
    assert oracle.result.verdict == "PROVED"
    assert krohn.Language(learned) == krohn.Language(name)


def test_learning_a_moore_machine_and_a_checker():
    pytest.importorskip("aalpy")
    from aalpy.learning_algs import run_KV, run_Lstar

    from krohn.aalpy import SUL, Oracle

    model = krohn.compile("mod:5")
    moore = krohn.compile("perm:S3")
    sul = SUL(moore, acceptor=False)
    learned = run_Lstar(list(moore.alphabet), sul, Oracle(moore, sul), "moore", print_level=0)
    assert krohn.check(moore, krohn.Language(learned)).verdict == "PROVED"
    assert model.label("0") == "1"

    checker = Checker(parity_logits(), TASK)
    sul = checker.sul()
    oracle = checker.oracle(sul, max_words=200, samples=50)
    learned = run_KV(["0", "1"], sul, oracle, "dfa", print_level=0)
    assert krohn.Language(learned) == krohn.Language("parity")
    assert oracle.result is not None
    assert oracle.result.verdict == "UNKNOWN"
