"""Amazon Web Services, as far as more than one room needs it: who we are, where we are, how a call is made."""

EXTRA = {"aws": ("botocore",)}  # what `require_extras` asks for before botocore is imported
