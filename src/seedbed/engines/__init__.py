"""One package for each kind of database. `base.py` says what an engine is; `registry.py` finds them."""
