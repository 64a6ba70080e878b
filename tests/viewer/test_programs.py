"""Programs for the browser, as it fetches them."""

import gzip

import pytest
from starlette.applications import Starlette

from widgets.browser_programs import AXIS, PROGRAMS, Program


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.path)
def test_programs_are_kept_by_browsers_and_sent_compressed(client_of, program: Program):
    client, address = client_of(Starlette(routes=[program.route()])), f"/{program.address}"
    plain, packed = (client.get(address, headers={"Accept-Encoding": how}) for how in ("identity", "gzip"))
    assert plain.status_code == packed.status_code == 200 and plain.content == gzip.decompress(packed.content)
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert plain.headers["content-type"].startswith("text/javascript")
    assert "immutable" in plain.headers["cache-control"] and plain.headers["x-content-type-options"] == "nosniff"
    another = "1" if address[-4] == "0" else "0"
    assert client.get(f"{address[:-4]}{another}.js").status_code == 404
    assert client.get(f"{address}/..%2F..%2Froutes.py").status_code == 404


def test_a_program_of_several_files_has_all_of_them(tmp_path):
    for name in ("first", "second"):
        (tmp_path / f"{name}.js").write_text(f"// {name}")
    program = Program("api/both", (tmp_path / "first.js", tmp_path / "second.js"))
    assert program.text == b"// first\n// second" and program.name.startswith("first-")


def test_the_program_contacts_no_other_host_and_writes_no_html():
    text = AXIS.text.decode()
    for forbidden in ("http://", "https://", "eval(", "innerHTML", "insertAdjacentHTML", "fetch("):
        assert forbidden not in text
