"""Whatever Streamlit renders as Markdown is ours, a number, or went through `plain`: checked in the source of every page and widget."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("pages/*.py"), *ROOT.glob("widgets/**/*.py")])

MARKDOWN = {
    **dict.fromkeys(("markdown", "caption", "title", "header", "subheader", "info", "warning", "error", "success", "toast", "write"), (0,)),
    **dict.fromkeys(("button", "download_button", "form_submit_button", "link_button", "popover", "expander", "spinner", "badge"), (0,)),
    **dict.fromkeys(("selectbox", "multiselect", "select_slider", "slider", "number_input", "text_input", "text_area"), (0,)),
    **dict.fromkeys(("radio", "checkbox", "toggle", "pills", "segmented_control", "file_uploader", "date_input"), (0,)),
    **{"metric": (0, 1, 2), "progress": (1,), "image": (1,), "page_link": (1,), "tabs": (0,), "table": (0,), "html": (0,)},
}
"""Methods of Streamlit, with the positions of arguments that are rendered as Markdown."""
MARKDOWN_NAMED = ("label", "help", "caption", "text", "body", "value", "delta", "description")
PLAIN_VALUE = ("text_input", "text_area", "number_input", "slider", "select_slider", "checkbox", "toggle", "date_input")
"""Their `value` is what a reader may edit, and is shown as it is."""
MARKDOWN_OPTIONS = ("radio", "pills", "segmented_control")
"""Each option is rendered as Markdown, after `format_func`; those of a select box are shown as they are (`tests/browser`)."""
OURS = {
    # Counts, durations and budgets in words.
    *("counted", "duration_in_words", "epsilon_text", "delta_text", "_epsilon", "guesses_right", "len", "int", "round"),
    # Facts of the recipe catalogue and of the image formats, which are code.
    *("scan_caption", "_recipes_on_encoder", "version_alias"),
    # HTML of a picture, a table and of words, which escape what others wrote; our own style sheet.
    *(
        "picture_element",
        "pictures_as_html",
        "frame_as_html",
        "copied_text_as_html",
        "_findings_as_html",
        "_patients_as_html",
        "words_as_markdown",
        "numbers_as_html",
        "_style",
    ),
}
"""Functions whose text consists of the product's own words and numbers."""
OUR_ATTRIBUTES = {
    "summary",
    "several",
    "one",
    "title",
    "source",
    "n_rows",
    "n_imported",
    "step",
    "total_steps",
    "done",
    "total",
    "seed",
    "cells",
}
"""Attributes of catalogue entries, counts, and the HTML of `map_table`, which escapes its words."""


class Scope:
    """What the local names of a file were assigned, by function."""

    def __init__(self, tree: ast.Module) -> None:
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def function_of(self, node: ast.AST) -> ast.AST:
        while node in self.parents and not isinstance(node, ast.FunctionDef | ast.Lambda):
            node = self.parents[node]
        return node

    def assigned(self, name: ast.Name) -> list[ast.expr] | None:
        """Every value of a local name; None where it is not known: an argument, an import, a loop's variable."""
        inside = self.function_of(name)
        values: list[ast.expr] = []
        for node in ast.walk(inside):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.NamedExpr) else []
            pairs = [pair for target in targets for pair in assigned_pairs(target, node.value)]
            if values_here := [value for target, value in pairs if isinstance(target, ast.Name) and target.id == name.id]:
                values += values_here
            elif any(isinstance(part, ast.Name) and part.id == name.id for t in targets for part in ast.walk(t)):
                return None
        return values or None

    def is_ours(self, node: ast.expr | None) -> bool:  # noqa: C901 - one case for each kind of expression
        """Whether the expression can hold nothing but the product's own words, numbers, and text that went through `plain`."""
        match node:
            case None | ast.Constant():
                return True
            case ast.JoinedStr(values=parts):
                return all(self.is_ours(part) for part in parts)
            case ast.FormattedValue(value=value, format_spec=spec):
                return is_number_format(spec) or self.is_ours(value)
            case ast.IfExp(body=one, orelse=other):
                return self.is_ours(one) and self.is_ours(other)
            case ast.BinOp(op=ast.Add(), right=ast.Constant(value=int())):
                return True
            case ast.BinOp(op=ast.Add()):
                return self.is_ours(node.left) and self.is_ours(node.right)
            case ast.BinOp():  # arithmetic
                return True
            case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                return all(self.is_ours(part) for part in parts)
            case ast.Dict(values=parts):
                return all(self.is_ours(part) for part in parts)
            case ast.ListComp(elt=one) | ast.GeneratorExp(elt=one):
                return self.is_ours(one)
            case ast.Lambda(body=body):
                return self.is_ours(body)
            case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name) if name.isupper():
                return True
            case ast.Attribute(attr=attribute):
                return (
                    attribute.isupper() or attribute in OUR_ATTRIBUTES or (attribute in ("get", "__getitem__") and self.is_ours(node.value))
                )
            case ast.Call(func=ast.Attribute(value=text, attr="join"), args=[one]):
                return self.is_ours(text) and self.is_ours(one)
            case ast.Call(func=ast.Name(id="map"), args=[ast.Name(id=name), *_]) | ast.Call(func=ast.Name(id=name)):
                return name in ("plain", "plain_with_commands", "plain_paragraphs") or name in OURS
            case ast.Call(func=ast.Attribute(value=text, attr="lower" | "strip" | "format" | "get"), args=args):
                return self.is_ours(text) and all(self.is_ours(arg) for arg in args[:1] if not isinstance(arg, ast.Starred))
            case ast.Call(func=ast.Attribute(attr="counted", value=ast.Name(id="words") | ast.Subscript(value=ast.Name(id="IMAGE_WORDS")))):
                return True  # of `ImageWords`
            case ast.Name() as name:
                values = self.assigned(name)
                return values is not None and all(self.is_ours(value) for value in values)
        return False


def assigned_pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Each name of an assignment with its own value, where both sides are written out."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def is_number_format(spec: ast.expr | None) -> bool:
    """Whether a format takes nothing but numbers: Python refuses to format a text by it."""
    parts = spec.values if isinstance(spec, ast.JoinedStr) else []
    return bool(parts) and all(isinstance(p, ast.Constant) and str(p.value).endswith((",", "g", "f", "d", "%", "e")) for p in parts)


def rendered(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of `call` that Streamlit renders as Markdown."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
    if name not in MARKDOWN or isinstance(call.func, ast.Name):
        return
    yield from (call.args[i] for i in MARKDOWN[name] if i < len(call.args))
    for keyword in call.keywords:
        shown_as_is = keyword.arg == "value" and name in PLAIN_VALUE
        if keyword.arg is None or (keyword.arg in MARKDOWN_NAMED and not shown_as_is):
            yield keyword.value
    if name in MARKDOWN_OPTIONS:
        titles = [k.value for k in call.keywords if k.arg == "format_func"]
        yield from titles or call.args[1:2]


def foreign(source: str) -> list[str]:
    """Each Streamlit call of `source` that may render somebody else's text as Markdown."""
    tree = ast.parse(source)
    scope = Scope(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [f"{c.lineno}: {ast.unparse(argument)}" for c in calls for argument in rendered(c) if not scope.is_ours(argument)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_foreign_is_rendered_as_markdown(path: Path) -> None:
    found = foreign(path.read_text())
    assert not found, "\n".join(["put it through dpmed_core.foreign_text.plain:", *found])


@pytest.mark.parametrize(
    "call",
    [
        "st.markdown(name)",
        "st.error(f'{label} does not exist')",
        "st.error(str(error))",
        "column.metric('Patients', cohort.name)",
        "st.radio('Who?', names)",
        "st.radio('Who?', NAMES, format_func=finding_title)",
        "st.button('Open', help=finding_title(name))",
        "st.tabs([title(name) for name in names])",
        "st.caption('one ' + sentence)",
        "x = str(name)\nst.caption(x)",
        "st.markdown(' / '.join(parts))",
    ],
)
def test_foreign_text_is_found(call: str) -> None:
    assert foreign(f"def page(name, label, error, names, sentence, parts):\n    {call.replace(chr(10), chr(10) + '    ')}\n")


@pytest.mark.parametrize(
    "call",
    [
        "st.markdown('**Plan**')",
        "st.caption(f'{n:,} rows, {plain(name)}')",
        "st.info(plain(str(error)))",
        "st.radio('Who?', NAMES, format_func=NAMES.get)",
        "st.tabs([plain(title(name)) for name in names])",
        "x = plain(name)\nst.caption(x)",
        "st.text_input('Name', name)",
    ],
)
def test_our_own_words_pass(call: str) -> None:
    assert not foreign(f"def page(name, n, error, names):\n    {call.replace(chr(10), chr(10) + '    ')}\n")
