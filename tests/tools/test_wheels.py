"""The wheels for a machine without a network: what is left out of them, and that what is left is whole."""

import csv
import io
import zipfile

import pytest

from tools.wheels import LEFT_OUT, missing, repacked


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("scipy/stats/tests/test_stats.py", True),
        ("pandas/tests/test_x.py", True),
        ("pandas/testing.py", False),
        ("pandas/_testing/__init__.py", False),
        ("pyarrow/include/arrow/api.h", True),
        ("pyarrow/libarrow.so.2600", False),
        ("pyarrow/libarrow_flight.so.2600", True),
        ("pyarrow/libarrow_s3.so.2600", True),
        ("pyarrow/libarrow_substrait.so.2600", False),
        ("pyarrow/libarrow_python.so", True),
        ("pyarrow/libarrow_python.so.2600", False),
        ("pyarrow/libarrow_python.so.2600.1.0", True),
        ("pyarrow/_s3fs.cpython-312-x86_64-linux-gnu.so", True),
        ("pyarrow/_fs.cpython-312-x86_64-linux-gnu.so", False),
        ("pyarrow/_flight.cpython-312-x86_64-linux-gnu.so", True),
        ("pyarrow/orc.py", True),
        ("pyarrow/_orc.cpython-312-x86_64-linux-gnu.so", True),
        ("sqlalchemy/engine/_row_cy.cpython-312-x86_64-linux-gnu.so", True),
        ("sqlalchemy/engine/_row_cy.py", False),
        ("opacus/grad_sample/conv.py", False),
        ("benchmarks/layers.py", True),
    ],
)
def test_tests_headers_and_services_are_left_out_and_nothing_else(name, left_out):
    assert bool(LEFT_OUT.search(name)) is left_out


def test_a_wheel_packed_again_holds_the_same_files_and_lists_them(tmp_path):
    files = {"a/__init__.py": b"x = 1\n", "a/tests/test_a.py": b"def test(): ...\n", "a-1.dist-info/METADATA": b"Name: a\n"}
    record = "".join(f"{name},sha256=1,{len(content)}\n" for name, content in files.items()) + "a-1.dist-info/RECORD,,\n"
    with zipfile.ZipFile(tmp_path / "given.whl", "w") as wheel:
        for name, content in (files | {"a-1.dist-info/RECORD": record.encode()}).items():
            wheel.writestr(name, content)
    repacked(tmp_path / "given.whl", tmp_path / "made.whl")
    with zipfile.ZipFile(tmp_path / "made.whl") as wheel:
        assert wheel.testzip() is None
        assert set(wheel.namelist()) == {"a/__init__.py", "a-1.dist-info/METADATA", "a-1.dist-info/RECORD"}
        assert wheel.read("a/__init__.py") == files["a/__init__.py"]
        listed = [row[0] for row in csv.reader(io.StringIO(wheel.read("a-1.dist-info/RECORD").decode()))]
    assert set(listed) == {"a/__init__.py", "a-1.dist-info/METADATA", "a-1.dist-info/RECORD"}


def test_what_torch_requires_is_there_and_what_the_machine_names_too():
    assert missing({"torch", "numpy", "filelock", "sympy", "mpmath", "scipy", "opacus"}, [], "3.12") == {"scipy", "opacus"}
    assert missing({"scipy", "opacus"}, ["SciPy"], "3.12") == {"opacus"}
