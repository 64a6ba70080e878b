"""Nothing of the product unpickles: no file, and nothing that a process answers which touched a foreign file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*(ROOT / "dpmed_core").rglob("*.py"), *(ROOT / "widgets").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]
PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
POOLS = {"multiprocessing", "ProcessPoolExecutor"}
"""Their processes answer in pickles."""
DRAWN_FROM_SEEDS = {
    "dpmed_core/cohort/demo/radiograph.py",
    "dpmed_core/phantoms/chest/radiograph.py",
    "dpmed_core/training/encoders/synthetic_radiographs.py",
    "dpmed_core/training/encoders/synthetic_volumes.py",
}
"""Modules whose pools draw synthetic images from seeds, and read no file."""
WEIGHTS_ONLY = "dpmed_core/training/encoders/added/unpickle.py"
"""The one program that reads a pickled file of weights: as tensors alone, in a process of its own, once."""
DASK = {"dpmed_core/engine/credentials.py"}
"""Says why the engine's messages, which Dask pickles, go through mutual TLS."""


def imported(tree: ast.AST) -> set[str]:
    """Every module and name that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(alias.name for alias in node.names)}
    return names | {name.split(".")[0] for name in names}


def unpickling_calls(tree: ast.AST) -> list[str]:
    """Calls that unpickle: `read_pickle`, `torch.load`, and `numpy.load` that is allowed to or does not say that it is not."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        allowed = next((k.value for k in node.keywords if k.arg == "allow_pickle"), None)
        loads = (of, node.func.attr) == ("np", "load") and not (isinstance(allowed, ast.Constant) and allowed.value is False)
        if loads or node.func.attr in ("read_pickle", "to_pickle") or (of, node.func.attr) in (("torch", "load"), ("torch", "save")):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def test_nothing_is_unpickled() -> None:
    for path in SOURCES:
        name, tree = path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())
        assert not imported(tree) & PICKLES, name
        assert not unpickling_calls(tree) or name == WEIGHTS_ONLY, name
        assert not imported(tree) & POOLS or name in DRAWN_FROM_SEEDS, name


def test_weights_are_unpickled_as_tensors_alone_by_a_program_that_nothing_imports() -> None:
    calls = [node for node in ast.walk(ast.parse((ROOT / WEIGHTS_ONLY).read_text())) if isinstance(node, ast.Call)]
    loads = [node for node in calls if ast.unparse(node.func) == "torch.load"]
    assert [[ast.unparse(k) for k in node.keywords if k.arg == "weights_only"] for node in loads] == [["weights_only=True"]]
    module = WEIGHTS_ONLY.removesuffix(".py").replace("/", ".")
    assert [path.name for path in SOURCES if module in imported(ast.parse(path.read_text()))] == []


def test_only_dask_pickles() -> None:
    says = {path.relative_to(ROOT).as_posix() for path in SOURCES if "are pickles" in path.read_text()}
    assert says == DASK


UNPICKLE = ("import pickle", "from pickle import loads", "x = np.load(path)", "np.load(p, allow_pickle=True)", "torch.load(p)")


@pytest.mark.parametrize("code", UNPICKLE)
def test_unpickling_is_found(code: str) -> None:
    tree = ast.parse(code)
    assert imported(tree) & PICKLES or unpickling_calls(tree)
