"""Where releases are kept: their bundles, records and approvals."""
