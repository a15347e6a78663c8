# seedbed: pipeline=texts version=1
"""The pipeline that every text passes through."""
