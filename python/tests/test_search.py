"""Searches and samples in parts are those in one; the parts are the command line's."""

from __future__ import annotations

import pickle

import pytest

import krohn
from krohn import _core


@pytest.mark.parametrize(("name", "language", "up_to"), [("parity", None, 12), ("re:(aaa)*(bb)*", "re:(aaa)*b*", 8), ("word:S3", None, 4)])
@pytest.mark.parametrize("parts", [1, 3, 16])
def test_parts_join_to_the_whole(name, language, up_to, parts):
    model = krohn.compile(name)
    whole = krohn.search(model, language, up_to=up_to)
    texts = [model.search_part(language, up_to=up_to, part=i + 1, parts=parts, threads=1) for i in range(parts)]
    assert _core.merge_search_parts(texts, [str(i) for i in range(parts)]) == whole.json
    if language is None:
        assert (whole.verdict, whole.length) == ("CERTIFIED", up_to)
        assert [words for words, _ in whole.lengths] == [len(model.alphabet) ** n for n in range(up_to + 1)]
    else:
        assert whole.verdict == "REFUTED"
        assert whole.word == krohn.check(model, language).word
        assert whole.shortest


def test_parts_are_those_of_the_command_line(tmp_path, command):
    model = krohn.compile("parity")
    model.save(tmp_path / "model")
    for part in (1, 2, 3):
        command("search", tmp_path / "model", "parity", "--up-to", "14", "--shard", f"{part}/3", "--report", tmp_path / f"{part}.json")
        assert (tmp_path / f"{part}.json").read_text() == model.search_part("parity", up_to=14, part=part, parts=3)
    assert command("merge", *(tmp_path / f"{part}.json" for part in (1, 2, 3))) == krohn.search(model, "parity", up_to=14).to_dict()


def test_an_ended_part_goes_on():
    model = krohn.compile("parity")
    ended = model.search_part(up_to=24, time_limit=0.2, threads=1)
    state = _core.search_part_state(ended, "part")
    assert state[3] == 24
    assert krohn.search(model, up_to=24, time_limit=0.0).verdict == "UNKNOWN"
    assert model.search_part(up_to=14, earlier=model.search_part(up_to=14, time_limit=0.0)) == model.search_part(up_to=14)
    with pytest.raises(krohn.InputError, match="part"):
        model.search_part(up_to=3, part=4, parts=3)


def test_models_travel(data, tmp_path):
    for model in (krohn.compile("word:S3").in_format("bf16"), krohn.open_checkpoint(data / "zoo" / "gdn_2l__tomita4")):
        again = pickle.loads(pickle.dumps(model))
        assert (again.fingerprint, again.semantics) == (model.fingerprint, model.semantics)
    live = krohn.open_checkpoint(data / "zoo" / "gdn_2l__tomita4")
    memory = krohn.Model(live._core)
    with pytest.raises(krohn.InputError, match="from memory"):
        pickle.dumps(memory)


def test_a_sample_bounds_or_refutes():
    model = krohn.compile("parity")
    right = model.sample(words=500, max_length=64)
    assert (right.verdict, right.drawn, right.labelled) == ("UNKNOWN", 500, 500)
    assert right.bound == pytest.approx(1 - 0.01 ** (1 / 500))
    wrong = model.sample("re:(0|1)*1", words=500, max_length=64)
    assert wrong.verdict == "REFUTED"
    assert wrong.word is not None
    assert model.label(wrong.word) != ("1" if wrong.word[-1] == "1" else "0")
