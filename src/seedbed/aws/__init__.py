"""Amazon Web Services, as far as more than one room needs it: who we are, where we are, how a call is made."""
