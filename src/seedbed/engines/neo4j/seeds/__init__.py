"""Loading datasets: what a table's name means, rows by column, the statements that compare and write them, scripts."""
