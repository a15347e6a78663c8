"""seedbed migrates and seeds every database of a microservice platform, with one plan, one command and one history.

The public API is `seedbed.project`. Importing this package imports nothing else.
"""

__version__ = "0.1.0"
