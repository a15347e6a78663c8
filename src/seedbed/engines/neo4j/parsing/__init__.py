"""Text -> tokens -> statements -> sections and steps. Pure: no server is asked."""
