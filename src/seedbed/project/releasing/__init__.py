"""Releases as they are carried out: opened, gone on with, checked, taken back.

A step is a list of commands, each a child process on the unpacked bundle. Only the record tells what was done.
"""
