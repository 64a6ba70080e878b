"""Plain values as YAML: texts in double quotes, escaped as in JSON, so that no text can be taken for anything else."""

import json
from collections.abc import Mapping
from typing import Any


def yaml_text(value: Any, indent: int = 0) -> str:
    r"""A mapping or a list in block style; the values in it may be both again, texts, numbers, truth values or None.

    >>> print(yaml_text({"a": [{"b": 1e-05, "c": "x: \"y\"\nz"}, "d"], "e": {"f": None}}), end="")
    a:
      - b: 1.0e-05
        c: "x: \"y\"\nz"
      - "d"
    e:
      f: null
    """
    pad = " " * indent
    if isinstance(value, Mapping):
        return "".join(f"{pad}{key}:{_after_key(item, indent)}" for key, item in value.items())
    return "".join(f"{pad}- {_item(item, indent)}" for item in value)


def _after_key(item: object, indent: int) -> str:
    return f"\n{yaml_text(item, indent + 2)}" if _is_block(item) else f" {_scalar(item)}\n"


def _item(item: object, indent: int) -> str:
    return yaml_text(item, indent + 2).lstrip(" ") if _is_block(item) else f"{_scalar(item)}\n"


def _is_block(item: object) -> bool:
    return isinstance(item, Mapping | list | tuple) and bool(item)


def _scalar(item: object) -> str:
    # Without a point YAML 1.1 takes 1e-05 for a text.
    text = json.dumps(item, ensure_ascii=False, allow_nan=False)
    return text.replace("e", ".0e", 1) if isinstance(item, float) and "e" in text and "." not in text else text
