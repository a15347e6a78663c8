"""What is said about something of a plugin that a cluster does not have."""

from __future__ import annotations

import pytest

from seedbed.engines.opensearch.rules.plugins import advice


@pytest.mark.parametrize(
    "reason",
    [
        "Validation Failed: 1: unknown setting [index.plugins.index_state_management.rollover_alias] please check …",
        "unknown value for [index.codec] must be one of [default, lz4, best_compression, zlib] but was: zstd;",
        "No processor type exists with name [geoip]",
        "Invalid processor type rename_field",
        "Failed to parse mapping [_doc]: No handler for type [xy_shape] declared on field [area]",
        "Unknown tokenizer type [icu_tokenizer] for [mine]",
        "Unknown filter type [phonetic] for [mine]",
        "failed to find global analyzer [kuromoji]",
        "Failed to parse mapping [_doc]: analyzer [polish] has not been configured in mappings",
        "Custom Analyzer [mine] failed to find char_filter under name [icu_normalizer]",
    ],
)
def test_what_a_plugin_brings_is_named_as_such(reason: str) -> None:
    assert "install the plugin that has it" in advice(reason)


@pytest.mark.parametrize("reason", ["unknown setting [index.nonsense]", "Required [index_patterns]"])
def test_another_mistake_is_none_of_a_plugin(reason: str) -> None:
    assert advice(reason) == ""
