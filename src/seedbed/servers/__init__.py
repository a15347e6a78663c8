"""Run a real database server as a child process, shared by its owners and gone with the last of them.

Knows no engine. An engine describes its server (`server.Server`), asks who it may run as (`identity`) and where it
may live (`place`), and gets it running (`server.running`); `supervisor` is the small process in between.
"""
