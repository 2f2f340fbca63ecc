"""A notebook's text (markdown) for a terminal."""

from __future__ import annotations

import re


def plain(markdown: str) -> str:
    """Paragraphs on one line each, so that they can be wrapped; code, lists and tables as they are."""
    lines: list[str] = []
    is_code = joins = False
    for line in markdown.strip().splitlines():
        if line.startswith("```"):
            is_code, joins = not is_code, False
            continue
        special = bool(re.match(r"\s*([-*+|>]\s|\d+\.\s|#|\|)", line))
        if is_code:
            lines.append(f"    {line}")
        elif joins and line.strip() and not special:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(re.sub(r"^#+\s*", "", line))
        joins = not is_code and bool(line.strip()) and not re.match(r"#|\s*\|", line)
    return "\n".join(lines)
