# seedbed: template=searches version=1
"""What people search for, an index a month."""
