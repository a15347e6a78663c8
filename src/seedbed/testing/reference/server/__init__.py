"""The memory server: tables, history and lease behind a unix socket; lives as long as its standard input.

A program of its own, `main`, with the standard library only, so that it is up in no time; hence it names its
parts by `.database` and not by `seedbed`. One JSON object a line each way. Every database has one lease, held by a
connection and gone with it, like a session lock; its token grows with every owner, and whatever writes shows it. A
request goes on after its connection is gone, as it does in a real server: the next owner has to find that work and
end it (`takeover`).
"""
