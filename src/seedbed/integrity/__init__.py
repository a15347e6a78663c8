"""Which ids that refer to another database are found there: pure; streams of ids come in, suspects go out."""
