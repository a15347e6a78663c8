"""What is tried against a protected environment, and what comes of it: docs/reference/what-is-refused.md.

`site` is the environment, `verbs` all commands, `ways` what somebody may try, `matrix` carries them out, `page` writes
down what came of it.
"""
