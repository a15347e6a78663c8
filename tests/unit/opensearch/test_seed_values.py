"""What a cell of a .csv is, by the type of its field."""

from __future__ import annotations

from decimal import Decimal

import pytest

from seedbed.engines.opensearch.seeds.values import read_cell


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("knn_vector", "[0.5, 1]", [Decimal("0.5"), 1]),
        ("geo_point", "52.5,13.4", "52.5,13.4"),
        ("geo_point", '{"lat": 52.5, "lon": 13.4}', {"lat": Decimal("52.5"), "lon": Decimal("13.4")}),
        ("geo_point", "[13.4, 52.5]", [Decimal("13.4"), Decimal("52.5")]),
        ("geo_shape", "POINT (13.4 52.5)", "POINT (13.4 52.5)"),
        ("geo_shape", '{"type": "Point", "coordinates": [1, 2]}', {"type": "Point", "coordinates": [1, 2]}),
        ("integer_range", '{"gte": 1, "lt": 5}', {"gte": 1, "lt": 5}),
        ("date_range", '{"gte": "2026-01-01"}', {"gte": "2026-01-01"}),
        ("date", "2026-01-13T18:00:00Z", "2026-01-13T18:00:00Z"),
        ("ip", "192.0.2.1", "192.0.2.1"),
        ("keyword", "{not json}", "{not json}"),
        ("text", "[neither]", "[neither]"),
        ("keyword", '["a", "b"]', ["a", "b"]),
    ],
)
def test_a_cell_is_read_as_its_field_is_mapped(kind: str, text: str, value: object) -> None:
    assert read_cell(text, {"type": kind}) == value


@pytest.mark.parametrize("kind", ["geo_point", "integer_range", "knn_vector"])
def test_an_object_that_is_not_json_is_an_error(kind: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        read_cell("{lat: 1}", {"type": kind})
