"""The package itself: stubs, types, imports, the command line, displays."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

import krohn

PACKAGE = Path(krohn.__file__).parent


def test_stubs_and_types_pass_mypy(tmp_path):
    pytest.importorskip("mypy")
    assert (PACKAGE / "py.typed").exists()
    assert (PACKAGE / "_core.pyi").exists()
    use = tmp_path / "use.py"
    use.write_text(
        "import krohn\n"
        "model: krohn.Model = krohn.compile('parity')\n"
        "result: krohn.CheckResult = krohn.check(model, krohn.Language('parity'), progress=lambda s, d, t: None)\n"
        "word: tuple[str, ...] | None = result.word\n"
        "size: int = krohn.Language('parity').delta.shape[0]\n"
        "reveal_type(result.verdict)\n"
    )
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import krohn\nkrohn.check(krohn.compile('parity')).word.upper()\nkrohn.compile('parity', keyss='x')\n")
    # mypy finds what is installed by itself.
    environment = dict(os.environ) if "site-packages" in PACKAGE.parts else {**os.environ, "MYPYPATH": str(PACKAGE.parent)}

    def mypy(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    # Packages that are asked for on demand may be missing where this runs.
    code, text = mypy("-p", "krohn", "--no-warn-unused-ignores", "--ignore-missing-imports")
    assert code == 0, text
    code, text = mypy(str(use))
    assert code == 0, text
    assert "Literal['PROVED']" in text
    code, text = mypy(str(wrong))
    assert code == 1
    assert text.count("error:") >= 2, text


def test_every_public_name_has_a_docstring():
    for name in krohn.__all__:
        value = getattr(krohn, name)
        if callable(value) and name not in ("Word", "Words", "LanguageLike", "ModelLike", "Progress"):
            assert value.__doc__, name


def test_import_is_quick_and_brings_nothing_heavy():
    code = "import sys, krohn; print([m for m in ('numpy', 'torch', 'distributed', 'aalpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_command_line_is_there():
    done = subprocess.run([sys.executable, "-m", "krohn", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == krohn.__version__
    done = subprocess.run([sys.executable, "-m", "krohn", "check", "nowhere", "parity"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    with pytest.raises(krohn.InputError) as caught:
        krohn.check("nowhere", "parity")
    # The same message.
    assert done.stderr == "".join(f"krohn: {problem.text}\n" for problem in caught.value.problems)
    try:
        assert importlib.metadata.version("krohn") == krohn.__version__
    except importlib.metadata.PackageNotFoundError:
        pass


def parts(bundle):
    """The drawings of a bundle, which must be well-formed."""
    for kind, text in bundle.items():
        if kind == "image/svg+xml":
            yield xml.etree.ElementTree.fromstring(text)
        elif kind == "text/html":
            xml.etree.ElementTree.fromstring(f"<div>{text}</div>")


def test_displays_are_well_formed(data, tmp_path):
    model = krohn.compile("re:(aaa)*(bb)*")
    checkpoint = krohn.open_checkpoint(data / "zoo" / "gdn_2l__tomita4")
    drawn = 0
    for thing in [
        krohn.Language("re:(aaa)*(bb)*"),
        krohn.Language("word:S5"),
        krohn.Language("re:<a&amp;|\"'>*", alphabet="<a&mp;\"'>"),
        krohn.classify("re:(aaa)*(bb)*"),
        krohn.Language("re:(aaa)*(bb)*").egg_boxes(),
        krohn.Language("re:(ab)*").monoid(),
        krohn.Language("S:5").monoid(),
        krohn.Language("re:(aaa)*(bb)*").cascade(),
        krohn.Language("random:9,2,1").cascade(),
        model,
        checkpoint,
        checkpoint.spectrum(),
        krohn.check(model),
        krohn.check(model, "re:(aaa)*b*"),
        krohn.check(checkpoint, time_limit=1),
        krohn.refute(data / "models" / "parity_delta_net_pos"),
        krohn.accuracy(checkpoint, lengths=[4], words=8),
        krohn.extract(model, "re:(aaa)*b*"),
        krohn.export("parity", tmp_path / "parity"),
    ]:
        bundle = thing._repr_mimebundle_()
        assert bundle["text/plain"]
        for drawing in parts(bundle):
            assert float(drawing.get("width")) > 0
            assert float(drawing.get("height")) > 0
            assert "#ffffff" in drawing.get("style")
            drawn += 1
    assert drawn >= 5
