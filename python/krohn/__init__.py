"""krohn: formal languages and linear RNNs.

Compile a regular language into an exact linear RNN, check what a trained one recognises, refute it with a word:

    >>> import krohn
    >>> model = krohn.compile("re:(aaa)*(bb)*")
    >>> krohn.check(model, "re:(aaa)*(bb)*").verdict
    'PROVED'
    >>> krohn.check(model, "re:(aaa)*b*").word
    ('b',)

Imported on demand: `krohn.torch` asks live modules, `krohn.aalpy` ends learning loops with a real check, and
`krohn.distributed` spreads searches over Dask.
"""

from ._algebra import (
    Cascade,
    Classification,
    EggBox,
    EggBoxes,
    Element,
    FamilyDecision,
    Level,
    Monoid,
    Presentation,
    classify,
)
from ._errors import (
    DeviceError,
    InputError,
    InternalError,
    KrohnError,
    NumericError,
    Problem,
    ResourceError,
    StoppedError,
)
from ._jobs import accuracy, check, compile, export, extract, harden, open_checkpoint, refute, search
from ._language import Language, LanguageLike, Note, Word, catalogue
from ._model import Answers, Layer, Model, ModelLike, Words, open_model
from ._progress import Progress
from ._results import (
    Accuracy,
    Certificate,
    CheckResult,
    ExportResult,
    ExtractResult,
    HardenResult,
    LengthAccuracy,
    Proportion,
    RefuteResult,
    Rung,
    SampleResult,
    SearchResult,
    Verification,
)
from ._spectrum import HeadSpectrum, Spectrum, spectrum

__version__ = "0.2.0"

__all__ = [
    "Accuracy",
    "Answers",
    "Cascade",
    "Certificate",
    "CheckResult",
    "Classification",
    "DeviceError",
    "EggBox",
    "EggBoxes",
    "Element",
    "ExportResult",
    "ExtractResult",
    "FamilyDecision",
    "HardenResult",
    "HeadSpectrum",
    "InputError",
    "InternalError",
    "KrohnError",
    "Language",
    "LanguageLike",
    "Layer",
    "LengthAccuracy",
    "Level",
    "Model",
    "ModelLike",
    "Monoid",
    "Note",
    "NumericError",
    "Presentation",
    "Problem",
    "Progress",
    "Proportion",
    "RefuteResult",
    "ResourceError",
    "Rung",
    "SampleResult",
    "SearchResult",
    "Spectrum",
    "StoppedError",
    "Verification",
    "Word",
    "Words",
    "accuracy",
    "catalogue",
    "check",
    "classify",
    "compile",
    "export",
    "extract",
    "harden",
    "open_checkpoint",
    "open_model",
    "refute",
    "search",
    "spectrum",
]
