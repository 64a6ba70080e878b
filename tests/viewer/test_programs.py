"""The programs of the budget axis, as a browser fetches them."""

import gzip

import pytest
from starlette.applications import Starlette

from widgets.budget_control import routes


@pytest.mark.parametrize("name", ["program", "plotly"])
def test_programs_are_kept_by_browsers_and_sent_compressed(client_of, name):
    client, address = client_of(Starlette(routes=list(routes.ROUTES))), f"/{routes.addresses()[name]}"
    plain, packed = (client.get(address, headers={"Accept-Encoding": how}) for how in ("identity", "gzip"))
    assert plain.status_code == packed.status_code == 200 and plain.content == gzip.decompress(packed.content)
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert "immutable" in plain.headers["cache-control"] and plain.headers["x-content-type-options"] == "nosniff"
    another = "1" if address[-4] == "0" else "0"
    assert client.get(f"{address[:-4]}{another}.js").status_code == 404
    assert client.get(f"{address}/..%2F..%2Froutes.py").status_code == 404


def test_the_program_contacts_no_other_host_and_writes_no_html():
    text = routes.CONTROL.read_text(encoding="utf-8")
    for forbidden in ("http://", "https://", "eval(", "innerHTML", "insertAdjacentHTML", "fetch("):
        assert forbidden not in text
