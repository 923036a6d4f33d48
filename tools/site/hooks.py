"""What the pages of the site are made of besides their own text: executed notebooks, the C++ headers, links out of docs/."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))

import cpp_reference  # noqa: E402
import notebooks  # noqa: E402

OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+((?:proofs|include|src|tests|tools|README|CONTRIBUTING|examples)[^)]*)\)")


def on_page_markdown(markdown, page, config, files):
    """Fills the pages that name a notebook or the C++ reference; what lies outside docs/ is named instead of linked."""
    if "notebook" in page.meta:
        return _notebook(ROOT / page.meta["notebook"])
    if page.meta.get("cpp_reference"):
        return cpp_reference.markdown(ROOT / "include" / "krohn")
    return OUTSIDE.sub(lambda link: f"{link[1]} (`{link[2]}`)", markdown)


def _notebook(path: Path) -> str:
    book = notebooks.executed(path)
    parts = []
    for cell in book["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
            continue
        parts.append(f"```python\n{text}\n```")
        parts += [shown for output in cell["outputs"] if (shown := _output(output))]
    name = path.relative_to(ROOT)
    parts.append(f"*The notebook is `{name}`; it was executed when this page was made.*")
    return "\n\n".join(parts)


def _output(output: dict) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        # One line, so that Markdown leaves it alone.
        text = "".join(data["text/html"]).replace("\n", " ")
        return f'<div class="notebook-output">{text}</div>'
    if "image/svg+xml" in data:
        return '<div class="notebook-output">' + "".join(data["image/svg+xml"]).replace("\n", " ") + "</div>"
    text = "".join(data.get("text/plain", output.get("text", "")))
    return f'<pre class="notebook-output">{html.escape(text.rstrip())}</pre>' if text.strip() else ""


